// Q_tot of a mixing network over the plane of two agents' utilities: heat map, surface, joint actions.
// Needs a model with get, set, on, off and save_changes, and nothing else: a notebook's kernel or a few lines
// on a plain page. The numbers equal those of landscape.py.

import { colour, css, drawColourBar, focusable, line, make, prepare, redrawClock, short, strokeHatch, text, ticks, whenLooksChange } from "./drawing.js";

const GRID = 41;
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

// The utilities of all of one agent's actions in all states, and a quarter beyond on either side.
function axisOf(utilities, agent) {
  const all = utilities.flatMap((state) => state[agent]);
  const low = Math.min(...all), high = Math.max(...all);
  const margin = high > low ? 0.25 * (high - low) : 1;
  const step = (high - low + 2 * margin) / (GRID - 1);
  return Array.from({ length: GRID }, (_, i) => low - margin + i * step);
}

// A cell is marked if Q_tot falls along one of its edges.
function findViolations(z) {
  const cells = Array.from({ length: GRID - 1 }, () => new Uint8Array(GRID - 1));
  let count = 0;
  for (let i = 0; i < GRID; i++) {
    for (let j = 0; j < GRID; j++) {
      if (i + 1 < GRID && z[i + 1][j] - z[i][j] < -1e-9) {
        count++;
        if (j > 0) cells[i][j - 1] = 1;
        if (j + 1 < GRID) cells[i][j] = 1;
      }
      if (j + 1 < GRID && z[i][j + 1] - z[i][j] < -1e-9) {
        count++;
        if (i > 0) cells[i - 1][j] = 1;
        if (i + 1 < GRID) cells[i][j] = 1;
      }
    }
  }
  return { count, cells };
}

function bestActions(utilities) {
  const top = Math.max(...utilities);
  return utilities.flatMap((u, a) => (u === top ? [a] : []));
}

function compute(model) {
  const state = model.get("state"), constraint = model.get("constraint");
  const utilities = model.get("utilities"), [u1, u2] = utilities[state];
  const mixer = mixerAt(model.get("parameters"), state, constraint);
  const q1 = axisOf(utilities, 0), q2 = axisOf(utilities, 1);
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
  return { result, q1, q2, z, cells, u1, u2 };
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

// --- drawing -------------------------------------------------------------------------------------------------

function marker(ctx, x, y, greedy, best) {
  ctx.beginPath();
  if (greedy) {
    for (let k = 0; k < 10; k++) {
      const r = k % 2 ? 4 : 9.5, angle = (k * Math.PI) / 5 - Math.PI / 2;
      ctx.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
    }
    ctx.closePath();
  } else ctx.arc(x, y, 4.5, 0, 2 * Math.PI);
  ctx.fillStyle = "white";
  ctx.fill();
  ctx.strokeStyle = "black";
  ctx.lineWidth = 1.3;
  ctx.stroke();
  if (!best) return;
  for (const [style, width] of [["black", 4], ["white", 2]]) {
    ctx.beginPath();
    ctx.arc(x, y, 12, 0, 2 * Math.PI);
    ctx.strokeStyle = style;
    ctx.lineWidth = width;
    ctx.stroke();
  }
}

// Markers first, then labels where they hide neither a label nor another marker; the table has every number.
function drawPoints({ ctx, width }, points) {
  const importance = (p) => (p.greedy ? 2 : 0) + (p.best ? 1 : 0);
  const ranked = [...points].sort((a, b) => importance(b) - importance(a));
  for (const p of [...ranked].reverse()) marker(ctx, p.x, p.y, p.greedy, p.best);
  const taken = points.map((p) => [p.x - 5, p.y - 5, p.x + 5, p.y + 5]);
  for (const p of ranked) {
    const w = ctx.measureText(p.label).width + 8, h = 17;
    const x = Math.min(Math.max(p.x - w / 2, 1), width - w - 1);
    const spot = [p.y - 14 - h, p.y + 13].find(
      (y) => y >= 0 && taken.every(([l, t, r, b]) => x > r || x + w < l || y > b || y + h < t),
    );
    if (spot === undefined) continue;
    taken.push([x, spot, x + w, spot + h]);
    ctx.fillStyle = "rgba(255,255,255,0.88)";
    ctx.fillRect(x, spot, w, h);
    text(ctx, p.label, x + w / 2, spot + h / 2 + 0.5, "black");
  }
}

function jointPoints(model, { result, u1, u2 }, place) {
  const names = model.get("action_names");
  const broken = result.best_value > result.greedy_value + 1e-9;
  // three digits within the range that is drawn
  const places = Math.min(Math.max(2 - Math.floor(Math.log10(result.highest - result.lowest || 1)), 0), 20);
  return u1.flatMap((q1, a) => u2.map((q2, b) => {
    const [x, y] = place(q1, q2, result.values[a][b]);
    return {
      x, y,
      label: `${names[0][a]}, ${names[1][b]}: ${Number(result.values[a][b].toFixed(places))}`,
      greedy: result.greedy.some(([i, j]) => i === a && j === b),
      best: broken && result.best[0] === a && result.best[1] === b,
    };
  }));
}

// Marching squares: the pieces of the line z = level, in grid coordinates.
function isoLine(z, level) {
  const pieces = [];
  for (let i = 0; i + 1 < GRID; i++) {
    for (let j = 0; j + 1 < GRID; j++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
      const cuts = [];
      for (let k = 0; k < 4; k++) {
        const [p, q] = [corners[k], corners[(k + 1) % 4]];
        const a = z[p[0]][p[1]] - level, b = z[q[0]][q[1]] - level;
        if (a < 0 === b < 0) continue;
        const t = a / (a - b);
        cuts.push([p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])]);
      }
      for (let k = 0; k + 1 < cuts.length; k += 2) pieces.push([cuts[k], cuts[k + 1]]);
    }
  }
  return pieces;
}

function drawMap(pane, model, scene) {
  const { ctx, width, height, ink } = pane, { z, q1, q2, cells, result } = scene;
  const box = { left: 44, top: 10, right: width - 74, bottom: height - 40 };
  const spanX = box.right - box.left, spanY = box.bottom - box.top, last = GRID - 1;
  const atGrid = ([i, j]) => [box.left + (i / last) * spanX, box.bottom - (j / last) * spanY];
  const range = result.highest - result.lowest || 1, share = (value) => (value - result.lowest) / range;
  const index = (axis, q) => ((q - axis[0]) / (axis[last] - axis[0])) * last;

  const pixels = new ImageData(GRID, GRID);
  for (let i = 0; i < GRID; i++) {
    for (let j = 0; j < GRID; j++) pixels.data.set([...colour(share(z[i][j])), 255], 4 * ((last - j) * GRID + i));
  }
  const small = document.createElement("canvas");
  small.width = small.height = GRID;
  small.getContext("2d").putImageData(pixels, 0, 0);
  ctx.clearRect(0, 0, width, height);
  ctx.drawImage(small, 0.5, 0.5, last, last, box.left, box.top, spanX, spanY);

  const levels = ticks(result.lowest, result.highest, 10);
  for (const level of levels) {
    ctx.beginPath();
    for (const piece of isoLine(z, level)) {
      ctx.moveTo(...atGrid(piece[0]));
      ctx.lineTo(...atGrid(piece[1]));
    }
    ctx.strokeStyle = share(level) < 0.5 ? "rgba(255,255,255,0.6)" : "rgba(0,0,0,0.6)";
    ctx.lineWidth = 0.8;
    ctx.stroke();
  }
  ctx.beginPath();
  cells.forEach((row, i) => row.forEach((marked, j) => {
    if (!marked) return;
    ctx.moveTo(...atGrid([i, j]));
    ctx.lineTo(...atGrid([i + 1, j + 1]));
  }));
  strokeHatch(ctx);

  ctx.strokeStyle = ink;
  ctx.lineWidth = 1;
  ctx.strokeRect(box.left, box.top, spanX, spanY);
  for (const q of ticks(q1[0], q1[last], 5)) {
    const [x] = atGrid([index(q1, q), 0]);
    line(ctx, [[x, box.bottom], [x, box.bottom + 4]], ink, 1);
    text(ctx, short(q), x, box.bottom + 12, ink);
  }
  for (const q of ticks(q2[0], q2[last], 5)) {
    const [, y] = atGrid([0, index(q2, q)]);
    line(ctx, [[box.left - 4, y], [box.left, y]], ink, 1);
    text(ctx, short(q), box.left - 7, y, ink, "right");
  }
  text(ctx, "utility Q₁ of agent 1", (box.left + box.right) / 2, height - 9, ink);
  ctx.save();
  ctx.translate(9, (box.top + box.bottom) / 2);
  ctx.rotate(-Math.PI / 2);
  text(ctx, "utility Q₂ of agent 2", 0, 0, ink);
  ctx.restore();
  drawColourBar(ctx, { left: box.right + 14, right: box.right + 28, top: box.top + 16, bottom: box.bottom }, levels, share, ink, "Q_tot");
  drawPoints(pane, jointPoints(model, scene, (x, y) => atGrid([index(q1, x), index(q2, y)])));
}

function drawSurface(pane, model, scene, view) {
  const { ctx, width, height, ink } = pane, { z, q1, q2, cells, result } = scene, last = GRID - 1;
  const turn = (view.azimuth * Math.PI) / 180, tilt = (view.elevation * Math.PI) / 180;
  const [sinA, cosA, sinE, cosE] = [Math.sin(turn), Math.cos(turn), Math.sin(tilt), Math.cos(tilt)];
  const scale = Math.min(width / 1.75, height / 1.55);
  const range = result.highest - result.lowest || 1, share = (value) => (value - result.lowest) / range;
  const unit = (axis, q) => (q - axis[0]) / (axis[last] - axis[0]);
  // x, y, h in [0, 1]: along Q_1, along Q_2 and up
  const project = (x, y, h) => {
    const across = (x - 0.5) * cosA - (y - 0.5) * sinA, away = (x - 0.5) * sinA + (y - 0.5) * cosA;
    return [width / 2 + scale * across + 8, height / 2 - scale * (away * sinE + (h - 0.5) * 0.8 * cosE)];
  };
  ctx.clearRect(0, 0, width, height);
  drawBox(ctx, scene, project, { sinA, cosA, ink, result, share, unit });

  // From far to near, so that what is near covers what is far.
  const order = (forward) => Array.from({ length: last }, (_, i) => (forward ? last - 1 - i : i));
  const corner = z.map((row, i) => row.map((value, j) => project(i / last, j / last, share(value))));
  for (const i of order(sinA > 0)) {
    for (const j of order(cosA > 0)) {
      const [a, b, c, d] = [corner[i][j], corner[i + 1][j], corner[i + 1][j + 1], corner[i][j + 1]];
      const mean = (z[i][j] + z[i + 1][j] + z[i + 1][j + 1] + z[i][j + 1]) / 4;
      const fill = css(colour(share(mean)));
      ctx.beginPath();
      ctx.moveTo(...a);
      ctx.lineTo(...b);
      ctx.lineTo(...c);
      ctx.lineTo(...d);
      ctx.closePath();
      ctx.fillStyle = fill;
      ctx.fill();
      ctx.strokeStyle = fill;
      ctx.lineWidth = 0.7;
      ctx.stroke();
      const mesh = share(mean) < 0.35 ? "rgba(255,255,255,0.35)" : "rgba(0,0,0,0.35)";
      if (i % 5 === 0) line(ctx, [a, d], mesh, 0.7);
      if (j % 5 === 0) line(ctx, [a, b], mesh, 0.7);
      if (i === last - 1) line(ctx, [b, c], mesh, 0.7);
      if (j === last - 1) line(ctx, [d, c], mesh, 0.7);
      if (cells[i][j]) {
        ctx.beginPath();
        ctx.moveTo(...a);
        ctx.lineTo(...c);
        strokeHatch(ctx);
      }
    }
  }
  const points = jointPoints(model, scene, (x, y, value) => project(unit(q1, x), unit(q2, y), share(value)));
  scene.u1.forEach((x, a) => scene.u2.forEach((y, b) => {
    const foot = project(unit(q1, x), unit(q2, y), 0), top = points[a * scene.u2.length + b];
    ctx.setLineDash([3, 3]);
    line(ctx, [foot, [top.x, top.y]], "rgba(255,255,255,0.9)", 2.4);
    line(ctx, [foot, [top.x, top.y]], "rgba(0,0,0,0.8)", 1.2);
    ctx.setLineDash([]);
  }));
  drawPoints(pane, points);
}

// The floor with its two axes along the near edges, and the scale of Q_tot at the left.
function drawBox(ctx, { q1, q2 }, project, { sinA, cosA, ink, result, share, unit }) {
  const floor = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([x, y]) => project(x, y, 0));
  line(ctx, [...floor, floor[0]], ink, 0.8);
  const nearY = cosA > 0 ? 0 : 1, nearX = sinA > 0 ? 0 : 1;
  const out = (near) => (near ? 1 : -1);
  for (const q of ticks(q1[0], q1[GRID - 1], 4)) {
    text(ctx, short(q), ...project(unit(q1, q), nearY + 0.09 * out(nearY), 0), ink);
  }
  for (const q of ticks(q2[0], q2[GRID - 1], 4)) {
    text(ctx, short(q), ...project(nearX + 0.09 * out(nearX), unit(q2, q), 0), ink);
  }
  text(ctx, "Q₁", ...project(0.5, nearY + 0.22 * out(nearY), 0), ink);
  text(ctx, "Q₂", ...project(nearX + 0.22 * out(nearX), 0.5, 0), ink);
  const [x, y] = [[0, 0], [1, 0], [1, 1], [0, 1]].sort((a, b) => project(...a, 0)[0] - project(...b, 0)[0])[0];
  line(ctx, [project(x, y, 0), project(x, y, 1)], ink, 0.8);
  for (const level of ticks(result.lowest, result.highest, 5)) {
    const [px, py] = project(x, y, share(level));
    line(ctx, [[px - 4, py], [px, py]], ink, 1);
    text(ctx, short(level), px - 7, py, ink, "right");
  }
  const [px, py] = project(x, y, 1);
  text(ctx, "Q_tot", px, py - 12, ink);
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
    if (left) drawMap(left, model, scene);
    if (right) drawSurface(right, model, scene, view);
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

  const rotate = (turn, tilt) => {
    view.azimuth = (view.azimuth + turn + 360) % 360;
    view.elevation = Math.min(Math.max(view.elevation + tilt, 5), 85);
    paint();
  };
  const turns = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5] };
  surface.addEventListener("keydown", (event) => {
    if (!turns[event.key]) return;
    event.preventDefault();
    act(event, () => rotate(...turns[event.key]));
  });
  surface.addEventListener("pointerdown", (event) => surface.setPointerCapture(event.pointerId));
  surface.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) rotate(0.5 * event.movementX, 0.5 * event.movementY);
  });

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
