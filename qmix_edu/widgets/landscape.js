// Q_tot of a mixing network over the plane of two agents' utilities: heat map, surface, joint actions.
// Needs a model with get, set, on, off and save_changes, and nothing else: a notebook's kernel or a few lines
// on a plain page. The numbers equal those of landscape.py.

import { focusable, make, prepare, redrawClock, whenLooksChange } from "./drawing.js";
import { GRID, axisAround, drawMap, drawSurface, findViolations, turnable } from "./surfaces.js";

const CONSTRAINTS = {
  abs: { label: "|w|", apply: Math.abs },
  softplus: { label: "softplus(w)", apply: (w) => Math.max(w, 0) + Math.log1p(Math.exp(-Math.abs(w))) },
  none: { label: "signed w", apply: (w) => w },
};

// --- numbers -------------------------------------------------------------------------------------------------

const elu = (x) => (x > 0 ? x : Math.expm1(x));

function mixerAt({ w1, b1, w2, v }, state, constraint) {
  const { apply } = CONSTRAINTS[constraint];
  return { w1: w1[state].map((row) => row.map(apply)), b1: b1[state], w2: w2[state].map(apply), v: v[state] };
}

function qTot({ w1, b1, w2, v }, q1, q2) {
  let total = v;
  for (let e = 0; e < b1.length; e++) total += elu(q1 * w1[0][e] + q2 * w1[1][e] + b1[e]) * w2[e];
  return total;
}

function bestActions(utilities) {
  const top = Math.max(...utilities);
  return utilities.flatMap((u, a) => (u === top ? [a] : []));
}

function compute(model) {
  const state = model.get("state"), constraint = model.get("constraint");
  const utilities = model.get("utilities"), [u1, u2] = utilities[state];
  const mixer = mixerAt(model.get("parameters"), state, constraint);
  const [q1, q2] = [0, 1].map((agent) => axisAround(utilities.flatMap((row) => row[agent])));
  const z = q1.map((x) => q2.map((y) => qTot(mixer, x, y)));
  const values = u1.map((x) => u2.map((y) => qTot(mixer, x, y)));
  const greedy = bestActions(u1).flatMap((a) => bestActions(u2).map((b) => [a, b]));
  let best = [0, 0];
  values.forEach((row, a) => row.forEach((value, b) => { if (value > values[best[0]][best[1]]) best = [a, b]; }));
  const flat = z.flat();
  const { count, cells } = findViolations(z);
  const result = {
    state, constraint, values, greedy,
    greedy_value: values[greedy[0][0]][greedy[0][1]],
    best,
    best_value: values[best[0]][best[1]],
    violations: count,
    steps: 2 * GRID * (GRID - 1),
    lowest: Math.min(...flat),
    highest: Math.max(...flat),
    mean: flat.reduce((a, b) => a + b, 0) / flat.length,
  };
  const names = model.get("action_names"), broken = result.best_value > result.greedy_value + 1e-9;
  const points = u1.flatMap((x, a) => u2.map((y, b) => ({
    q1: x, q2: y, value: values[a][b], name: `${names[0][a]}, ${names[1][b]}`,
    greedy: greedy.some(([i, j]) => i === a && j === b), ringed: broken && best[0] === a && best[1] === b,
  })));
  const axes = ["utility Q₁ of agent 1", "utility Q₂ of agent 2"], shortAxes = ["Q₁", "Q₂"];
  return { result, q1, q2, z, cells, points, low: result.lowest, high: result.highest, axes, shortAxes };
}

function summarise(model, r) {
  const names = model.get("action_names");
  const name = ([a, b]) => `(${names[0][a]}, ${names[1][b]})`;
  let weights = CONSTRAINTS[r.constraint].label;
  if (r.constraint === "none") {
    const { w1, w2 } = model.get("parameters");
    const all = [...w1[r.state].flat(), ...w2[r.state]];
    weights += ` (${all.filter((w) => w < 0).length} of ${all.length} negative)`;
  }
  const fall = r.violations === 0 ? "never falls" : "falls";
  const hatched = r.violations === 0 ? "" : ", hatched";
  const verdict = r.best_value > r.greedy_value + 1e-9
    ? `but ${name(r.best)} = ${r.best_value.toFixed(2)} is better, so IGM is broken`
    : "no joint action is better";
  return `State ${model.get("state_names")[r.state]}, weights ${weights}: Q_tot ${fall} along an axis ` +
    `(${r.violations} of ${r.steps} grid steps${hatched}). ` +
    `Greedy joint action ${r.greedy.map(name).join(", ")} = ${r.greedy_value.toFixed(2)}; ${verdict}.`;
}

// --- page ----------------------------------------------------------------------------------------------------

function fillTable(table, model, { values, greedy }) {
  const [rows, columns] = model.get("action_names");
  const head = make("tr", {}, make("th", {}, "Q_tot"), ...columns.map((name) => make("th", { scope: "col" }, name)));
  const body = values.map((row, a) => make("tr", {}, make("th", { scope: "row" }, rows[a]), ...row.map((value, b) => {
    const chosen = greedy.some(([i, j]) => i === a && j === b);
    return make("td", chosen ? { class: "greedy" } : {}, (chosen ? "★ " : "") + value.toFixed(2));
  })));
  table.replaceChildren(make("caption", {}, "rows: agent 1, columns: agent 2"), head, ...body);
}

function render({ model, el }) {
  const view = { azimuth: 35, elevation: 28 };
  const group = `landscape-${Math.random().toString(36).slice(2)}`;
  const slider = make("input", { type: "range", min: 0, step: 1, "aria-label": "state", ...focusable });
  const stateName = make("output");
  const radios = Object.entries(CONSTRAINTS).map(([value, { label }]) => {
    const input = make("input", { type: "radio", name: group, value, ...focusable });
    return { input, node: make("label", {}, input, ` ${label}`) };
  });
  const map = make("canvas", { role: "img", "aria-label": "heat map of Q_tot over both agents' utilities" });
  const surface = make("canvas", {
    role: "img", tabindex: 0, class: "surface", ...focusable,
    "aria-label": "surface of Q_tot; arrow keys turn and tilt it",
  });
  const summary = make("p", { class: "summary", "aria-live": "polite" });
  const table = make("table");
  const root = make("div", { class: "qmix-explorer qmix-landscape" },
    make("div", { class: "controls" },
      make("label", { class: "state" }, "state ", slider, stateName),
      make("fieldset", {}, make("legend", {}, "weights"), ...radios.map((r) => r.node))),
    make("div", { class: "panes" }, make("div", {}, map), make("div", {}, surface)),
    make("p", { class: "key" },
      "★ greedy joint action   ◎ better joint action   /// Q_tot falls along an axis   (arrow keys: state, weights, turn the surface)"),
    summary, table);
  el.append(root);

  let scene = compute(model);
  const paint = () => {
    const ink = getComputedStyle(root).color;
    const left = prepare(map, ink), right = prepare(surface, ink);
    if (left) drawMap(left, scene);
    if (right) drawSurface(right, scene, view);
    Object.assign(root.dataset, view);
  };
  const refresh = () => {
    scene = compute(model);
    const { state, constraint } = scene.result, words = summarise(model, scene.result);
    slider.max = model.get("state_names").length - 1;
    slider.value = state;
    slider.disabled = model.get("state_names").length < 2;
    slider.setAttribute("aria-valuetext", model.get("state_names")[state]);
    stateName.value = model.get("state_names")[state];
    for (const { input } of radios) input.checked = input.value === constraint;
    if (summary.textContent !== words) summary.textContent = words;
    fillTable(table, model, scene.result);
    paint();
    root.dataset.result = JSON.stringify(scene.result);
  };

  const act = redrawClock(root);
  const choose = (event, name, value) => act(event, () => {
    model.set(name, value);
    model.save_changes();
  });
  slider.addEventListener("input", (event) => choose(event, "state", Number(slider.value)));
  for (const { input } of radios) input.addEventListener("change", (event) => choose(event, "constraint", input.value));

  turnable(surface, view, act, paint);

  const changes = ["parameters", "utilities", "state", "constraint"].map((name) => `change:${name}`);
  for (const name of changes) model.on(name, refresh);
  const unwatch = whenLooksChange(map, paint);
  refresh();
  return () => {
    for (const name of changes) model.off(name, refresh);
    unwatch();
  };
}

export default { render };
