// Whatever scrolls sideways can be reached by keyboard.

(() => {
  const update = () => {
    for (const node of document.querySelectorAll("article pre, article .table-wrapper, article .math, article .output")) {
      const scrolls = node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).overflowX !== "visible";
      if (scrolls) node.tabIndex = 0;
      else node.removeAttribute("tabindex");
    }
  };
  window.addEventListener("load", update);
  window.addEventListener("resize", update);
})();
