"""What the browser tests of the explorers share: a page without a kernel, key presses, and a clock."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Error, Locator, Page

from qmix_edu.widgets.modules import esm

# A model for pages without a kernel: the whole interface that the explorer needs.
SHIM = """
([values, esm]) => {
  const heard = {};
  const model = {
    get: (name) => values[name],
    set: (name, value) => { values[name] = value; (heard[`change:${name}`] || []).forEach((f) => f()); },
    on: (name, f) => (heard[name] ||= []).push(f),
    off: (name, f) => (heard[name] = heard[name].filter((g) => g !== f)),
    save_changes: () => {},
  };
  window.model = model;
  return import(`data:text/javascript;base64,${esm}`).then((m) => {
    window.forget = m.default.render({ model, el: document.querySelector("main") });
  });
}
"""
# The time from a key press to the end of the frame that shows its effect, measured from outside.
WATCH = """
() => {
  const root = document.querySelector(".qmix-explorer");
  window.delays = [];
  let pressed = null;
  window.addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
  new MutationObserver(() => window.delays.push(performance.now() - pressed))
    .observe(root, { attributeFilter: ["data-redraws"] });
}
"""
# What a key must not change in a notebook: which cell is active, and the kinds of the cells.
NOTEBOOK_STATE = """
() => {
  const notebook = jupyterapp.shell.currentWidget.content;
  return [notebook.activeCellIndex, notebook.widgets.map((cell) => cell.model.type)];
}
"""


def root(page: Page) -> Locator:
    return page.locator(".qmix-explorer")


def shown(page: Page) -> dict:
    """Return the numbers that the picture shows."""
    return json.loads(root(page).get_attribute("data-result"))


def pixels(page: Page) -> list[str]:
    return root(page).locator("canvas").evaluate_all("all => all.map((c) => c.toDataURL())")


def press(page: Page, control: Locator, key: str) -> None:
    """Press a key on a control and assert that both its effect is drawn and the picture has changed."""
    before, redraws = pixels(page), root(page).get_attribute("data-redraws")
    control.focus()
    page.keyboard.press(key)
    try:
        page.wait_for_function(
            "old => document.querySelector('.qmix-explorer').getAttribute('data-redraws') !== old",
            arg=redraws,
            timeout=3000,
        )
    except Error as error:
        raise AssertionError(f"{key} redrew nothing") from error
    assert pixels(page) != before, f"{key} changed no pixel"


def mount(page: Page, explorer) -> list[str]:
    """Show an explorer on a page without Jupyter; return the list that its network requests go to."""
    requests: list[str] = []
    page.on("request", lambda r: requests.append(r.url) if not r.url.startswith("data:") else None)
    page.set_content(f"<!doctype html><style>{explorer._css}</style><main></main>")
    values = {name: getattr(explorer, name) for name in explorer.trait_names(sync=True) if not name.startswith("_")}
    values = {name: value for name, value in values.items() if name not in ("layout", "tabbable", "tooltip")}
    page.evaluate(SHIM, [values, base64.b64encode(str(explorer._esm).encode()).decode()])
    root(page).wait_for()
    return requests


def assert_same(answer: Any, expected: Any, name: str = "result") -> None:
    """Assert that two nested answers have the same parts, with numbers equal up to 1e-6."""
    if isinstance(expected, dict):
        assert answer.keys() == expected.keys(), name
        for key, value in expected.items():
            assert_same(answer[key], value, f"{name}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(answer) == len(expected), f"{name}: {answer}, expected {expected}"
        for i, value in enumerate(expected):
            assert_same(answer[i], value, f"{name}[{i}]")
    elif isinstance(expected, float):
        assert answer == pytest.approx(expected, rel=1e-6, abs=1e-6), name
    else:
        assert answer == expected, name


def wait_for_kernel(path: Path, expected: list) -> None:
    """Wait until the kernel has written what it saw into a file."""
    deadline = time.monotonic() + 20
    seen = None
    while seen != expected and time.monotonic() < deadline:
        time.sleep(0.1)
        try:
            seen = json.loads(path.read_text())
        except (OSError, json.JSONDecodeError):  # not written yet, or half
            continue
    assert seen == expected, f"the kernel saw {seen}, expected {expected}"


def slider(page: Page) -> Locator:
    return root(page).get_by_role("slider")


def radio(page: Page, name: str) -> Locator:
    return root(page).locator(f"input[value='{name}']")


# --- payoff tables --------------------------------------------------------------------------------


def cell(page: Page, a: str, b: str) -> Locator:
    """Return the input of one payoff."""
    return root(page).get_by_label(f"payoff of ({a}, {b})", exact=True)


def imported(page: Page, name: str, function: str, arguments: list) -> list:
    """Call a function of one of the JavaScript files with each of the arguments."""
    source = base64.b64encode(f"{esm(name)}\nexport {{ {function} }};".encode()).decode()
    call = "([url, all]) => import(url).then((m) => all.map((a) => m.NAME(...a)))".replace("NAME", function)
    return page.evaluate(call, [f"data:text/javascript;base64,{source}", arguments])


def random_table(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Draw normal payoffs, or integers with many ties."""
    levels = int(rng.integers(2, 7))
    return rng.normal(0, 10, shape) if rng.random() < 0.4 else rng.integers(levels, size=shape) - levels // 2 + 0.0


def typed_payoffs(page: Page) -> list[list[float]]:
    """Return the numbers in the cells of the table."""
    rows = root(page).locator(".editor tr:has(input)")
    typed = rows.evaluate_all("rows => rows.map((row) => [...row.querySelectorAll('input')].map((i) => i.value))")
    return [[float(value.replace("−", "-")) for value in row] for row in typed]
