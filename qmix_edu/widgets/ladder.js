// The lowest of the classes additive, supermodular, monotone, any that holds a payoff table, and why. Needs a model with
// get, set, on, off and save_changes, and nothing else. The verdicts and words equal those of ladder.py.

import { lowestRung } from "./deciding.js";
import { line, make, prepare, redrawClock, text, whenLooksChange } from "./drawing.js";
import { payoffEditor } from "./editor.js";
import { colourScale, drawTable, jointName, makeBar, LETTERS, number, outline } from "./tables.js";

const RUNGS = ["additive", "supermodular", "monotone", "any"];

// --- words ---------------------------------------------------------------------------------------------------

// LadderExplorer.result
function verdictsOn(payoff) {
  const { name, reason, additive, supermodular, monotone } = lowestRung(payoff);
  return { result: { payoff, rung: name, additive, supermodular, monotone }, reason };
}

// ladder._corners: the four joint actions of a minor with their signs in its difference.
function cornersOf({ low: [a, b], high: [c, d] }) {
  return [[[c, d], "+"], [[a, d], "−"], [[c, b], "−"], [[a, b], "+"]];
}

// ladder._sum: the utilities of an additive table, or the mixed difference of a minor.
function sumOf(payoff, { utilities, minor }) {
  if (utilities) {
    const scale = Math.max(...payoff.flat().map(Math.abs));
    const [u1, u2] = utilities.map((each) => each.map((u, a) => `${LETTERS[a]} ${number(u, scale)}`).join(", "));
    return `u₁: ${u1}; u₂: ${u2}`;
  }
  if (!minor) return "";
  const corners = cornersOf(minor), at = ([a, b]) => payoff[a][b];
  const terms = corners.map(([joint, sign]) => ` ${sign} F${jointName(joint)}`).join("");
  const numbers = corners.map(([joint, sign]) =>
    ` ${sign} ${at(joint) < 0 ? `(${number(at(joint))})` : number(at(joint))}`).join("");
  return `${terms.slice(3)} = ${numbers.slice(3)} = ${number(minor.difference)}`;
}

// --- drawing -------------------------------------------------------------------------------------------------

function drawLadder({ ctx, width, height, ink }, rung) {
  ctx.clearRect(0, 0, width, height);
  const lowest = RUNGS.indexOf(rung), [left, right] = [8, 52], level = (k) => height - 34 - (k * (height - 68)) / 3;
  for (const x of [left, right]) line(ctx, [[x, 8], [x, height - 8]], ink, 3);
  RUNGS.forEach((name, k) => {
    line(ctx, [[left, level(k)], [right, level(k)]], ink, k === lowest ? 10 : 2.5);
    ctx.font = k === lowest ? "bold 13px system-ui, sans-serif" : "13px system-ui, sans-serif";
    text(ctx, `${k >= lowest ? "✓" : "✗"} ${name === "any" ? "any table" : name}`, right + 10, level(k), ink, "left");
  });
}

function drawMinor(ctx, minor, { side, corner }, cellOf) {
  for (const [joint, sign] of cornersOf(minor)) {
    const [x, y] = corner(...cellOf(joint));
    outline(ctx, [x, y], side, side);
    const r = Math.min(7, side / 8), [p, q] = [x + r + 5, y + r + 5];
    ctx.beginPath();
    ctx.arc(p, q, r, 0, 2 * Math.PI);
    ctx.fillStyle = "white";
    ctx.fill();
    line(ctx, [[p - r / 2, q], [p + r / 2, q]], "black", 2);
    if (sign === "+") line(ctx, [[p, q - r / 2], [p, q + r / 2]], "black", 2);
  }
}

// An arrow from the worse to the better joint action, beside the numbers; both cells framed, the worse one dashed.
function drawComparisons(ctx, { agent, actions, witnesses }, { side, corner }, cellOf) {
  const pairs = witnesses.map((better, k) => [better, better.map((action, i) => (i === agent ? actions[1 - k] : action))]);
  for (const [better, worse] of pairs) {
    outline(ctx, corner(...cellOf(worse)), side, side, [3, 4]);
    outline(ctx, corner(...cellOf(better)), side, side);
  }
  for (const [better, worse] of pairs) {
    const beside = agent ? [0.5, 0.82] : [0.82, 0.5]; // off the numbers
    const [tip, tail] = [better, worse].map((joint) => corner(...cellOf(joint)).map((x, i) => x + beside[i] * side));
    const size = Math.hypot(tip[0] - tail[0], tip[1] - tail[1]), [dx, dy] = [0, 1].map((i) => (tip[i] - tail[i]) / size);
    const head = [-1, 1].map((turn) => [tip[0] - 9 * dx + 6 * turn * dy, tip[1] - 9 * dy - 6 * turn * dx]);
    for (const [style, thickness] of [["black", 5], ["white", 2.2]]) {
      line(ctx, [tail, tip], style, thickness);
      line(ctx, [head[0], tip, head[1]], style, thickness);
    }
  }
}

// --- page ----------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const root = make("div", { class: "qmix-explorer qmix-tables qmix-ladder" });
  const act = redrawClock(root), editor = payoffEditor(model, act);
  const ladder = make("canvas", { role: "img" });
  const panes = RUNGS.slice(0, 3).map((name) => {
    const title = make("div", { class: "title" }), canvas = make("canvas", { role: "img" });
    const numbers = make("p", { class: "facts numbers" }), reason = make("p", { class: "facts" });
    return { name, title, canvas, numbers, reason, node: make("div", {}, title, canvas, numbers, reason) };
  });
  const bar = makeBar("payoff");
  const summary = make("p", { class: "summary", "aria-live": "polite" });
  root.append(
    make("div", { class: "controls" }, ...editor.controls),
    editor.node,
    make("div", { class: "panes" },
      make("div", { class: "rungs" }, make("div", { class: "title" }, "the ladder"), ladder), ...panes.map(({ node }) => node), bar.node),
    make("p", { class: "key" }, "thick rung: the lowest that holds the table   + −: the four terms of the mixed difference   " +
      "arrows: from the worse to the better joint action   monotone tables stand in their order, worst action first"),
    summary);
  el.append(root);

  let scene = verdictsOn(model.get("payoff"));
  const paint = () => {
    const { payoff, rung, monotone } = scene.result, ink = getComputedStyle(root).color;
    const rails = prepare(ladder, ink);
    if (rails) drawLadder(rails, rung);
    const colours = colourScale([payoff]), { share, low, high } = colours;
    const orders = monotone.orders || [payoff, payoff[0]].map((list) => list.map((_, k) => k));
    const cellOf = (joint) => joint.map((action, agent) => orders[agent].indexOf(action));
    for (const { name, canvas } of panes) {
      const pane = prepare(canvas, ink), { minor, holds } = scene.result[name];
      if (!pane) continue;
      const place = drawTable(pane, payoff, { share, scale: high - low, orders, sorted: monotone.holds });
      if (minor) drawMinor(pane.ctx, minor, place, cellOf);
      else if (!holds) drawComparisons(pane.ctx, monotone, place, cellOf);
    }
    bar.draw(colours, ink);
  };
  const refresh = () => {
    scene = verdictsOn(model.get("payoff"));
    const { payoff, rung } = scene.result;
    editor.refresh();
    ladder.setAttribute("aria-label", `ladder of additive, supermodular, monotone, any table; the lowest rung that holds: ${rung}`);
    for (const { name, title, canvas, numbers, reason } of panes) {
      const verdict = scene.result[name];
      title.textContent = `${name}: ${verdict.holds ? "yes" : "no"}`;
      numbers.textContent = sumOf(payoff, verdict);
      reason.textContent = verdict.reason;
      canvas.setAttribute("aria-label", `${title.textContent}. ${verdict.reason} ${numbers.textContent}`.trim());
    }
    if (summary.textContent !== scene.reason) summary.textContent = scene.reason;
    paint();
    root.dataset.result = JSON.stringify(scene.result);
  };

  model.on("change:payoff", refresh);
  const unwatch = whenLooksChange(ladder, paint);
  refresh();
  return () => {
    model.off("change:payoff", refresh);
    unwatch();
  };
}

export default { render };
