// How tabular learners come to their joint action: values, joint policy and the share of optima over time.
// Needs a model with get, set, on, off and save_changes, and nothing else: a notebook's kernel or a few lines
// on a plain page. The numbers are those that learning.py prepares.

import { FONT, colour, css, drawColourBar, fillBand, focusable, line, lineColours, make, prepare, redrawClock, short, text, ticks, turnedText, whenLooksChange } from "./drawing.js";

const VIEWS = ["all runs", "one run"];
const FRAME_MS = 80;
const DASHES = [[], [7, 3], [9, 3, 2, 3], [2, 3], [9, 2, 2, 2, 2, 2]];

// --- numbers -------------------------------------------------------------------------------------------------

// "5 1 -2" is the series 5, 6, 4.
function unpack(packed) {
  let sum = 0;
  return packed.split(" ").map((step) => (sum += Number(step)));
}

const deep = (nested, f) => (Array.isArray(nested) ? nested.map((part) => deep(part, f)) : f(nested));

function unpackAll(data) {
  const scale = 10 ** data.digits, values = (packed) => unpack(packed).map((units) => units / scale);
  const columns = data.payoff[0].length, best = data.optimum.map(([a, b]) => a * columns + b);
  return data.learners.map((learner) => {
    const counts = learner.counts.map(unpack); // [joint action][k]
    return {
      ...learner,
      counts,
      quartiles: deep(learner.quartiles, values), // [agent][25 %, median, 75 %][action][k]
      values: deep(learner.values, values), // [agent][run][action][k]
      greedy: learner.greedy.map(unpack), // [run][k]
      optimal: data.snapshots.map((_, k) => best.reduce((sum, joint) => sum + counts[joint][k], 0)),
      best,
    };
  });
}

function compute(model, learners) {
  const data = model.get("data"), k = model.get("snapshot"), view = model.get("view"), place = model.get("run");
  const learner = learners.find(({ name }) => name === model.get("learner"));
  const columns = data.payoff[0].length, last = data.snapshots.length - 1, single = view === VIEWS[1];
  const at = (series) => series.map((points) => points[k]);
  const pair = (i) => learner.quartiles.map((agent) => at(agent[i]));
  const sharesAt = (t) => learner.counts.map((count, joint) => (single ? Number(learner.greedy[place][t] === joint) : count[t] / learner.runs));
  const table = (flat) => data.payoff.map((row, a) => row.map((_, b) => flat[a * columns + b]));
  const now = sharesAt(k), top = Math.max(...now);
  const runIsOptimal = learner.greedy[place].map((joint) => Number(learner.best.includes(joint)));
  const result = {
    learner: learner.name, snapshot: k, plays: data.snapshots[k], view,
    run: single ? learner.shown[place] : null,
    low: single ? null : pair(0),
    values: single ? learner.values.map((agent) => at(agent[place])) : pair(1),
    high: single ? null : pair(2),
    interval: single ? null : learner.intervals[k],
    shares: table(now),
    end: table(sharesAt(last)),
    greedy: now.flatMap((share, joint) => (share === top ? [[Math.floor(joint / columns), joint % columns]] : [])),
    optimal: single ? runIsOptimal[k] : learner.optimal[k] / learner.runs,
  };
  return { result, data, learner, single, place, runIsOptimal };
}

const percent = (share) => `${(Math.floor(1000 * share + 0.5) / 10).toFixed(1)} %`;
const jointName = ({ action_names: names }, [a, b]) => `(${names[0][a]}, ${names[1][b]})`;

function describeEnds({ data, learner }) {
  const columns = data.payoff[0].length;
  const ends = learner.counts.map((count, joint) => ({ joint, n: count.at(-1) })).filter(({ n }) => n > 0);
  ends.sort((x, y) => y.n - x.n || x.joint - y.joint);
  const name = (joint) => jointName(data, [Math.floor(joint / columns), joint % columns]);
  const named = ends.slice(0, 3).map(({ joint, n }) => `${name(joint)} ${percent(n / learner.runs)}`);
  const rest = ends.slice(3).reduce((sum, { n }) => sum + n, 0);
  return [...named, ...(rest ? [`others ${percent(rest / learner.runs)}`] : [])].join(", ");
}

function summarise(scene) {
  const { result: r, data, learner, single } = scene, [[a, b]] = r.greedy;
  const start = `${r.learner} after ${r.plays} of ${data.snapshots.at(-1)} plays`;
  const greedy = r.greedy.map((joint) => jointName(data, joint)).join(", ");
  if (single) {
    const end = r.end.flatMap((row, i) => row.flatMap((share, j) => (share ? [[i, j]] : [])))[0];
    return `${start}, run ${r.run} of 0 to ${learner.runs - 1}: greedy joint action ${greedy}, ` +
      `payoff ${data.payoff_text[a][b]}, ${r.optimal ? "an optimum" : "not an optimum"}. At the end: ${jointName(data, end)}.`;
  }
  const each = r.greedy.length > 1 ? " each" : "";
  const tied = learner.tied ? ` In ${learner.tied} of the runs an agent's choice is then a tie, broken at random.` : "";
  return `${start}, all ${learner.runs} runs: the greedy joint action is an optimum in ${percent(r.optimal)} ` +
    `(95 % interval ${percent(r.interval[0])} to ${percent(r.interval[1])}). ` +
    `Most common greedy joint action ${greedy}: ${percent(r.shares[a][b])} of the runs${each}. ` +
    `At the end: ${describeEnds(scene)}.${tied}`;
}

// --- drawing -------------------------------------------------------------------------------------------------

// Axes over plays, with the chosen time; returns where (plays, y) lies, and a function that draws inside only.
function drawAxes({ ctx, width, height, ink }, { data, result }, [low, high], { title, label, right }) {
  const box = { left: 48, top: 28, right: width - right, bottom: height - 40 }, end = data.snapshots.at(-1);
  const place = (x, y) => [
    box.left + (x / end) * (box.right - box.left),
    box.bottom - ((y - low) / (high - low)) * (box.bottom - box.top),
  ];
  ctx.clearRect(0, 0, width, height);
  text(ctx, title, (box.left + box.right) / 2, 12, ink);
  ctx.globalAlpha = 0.2;
  for (const y of ticks(low, high, 6)) line(ctx, [[box.left, place(0, y)[1]], [box.right, place(0, y)[1]]], ink, 1);
  ctx.globalAlpha = 1;
  for (const y of ticks(low, high, 6)) text(ctx, short(y), box.left - 6, place(0, y)[1], ink, "right");
  for (const x of ticks(0, end, 4)) {
    const [px] = place(x, low);
    line(ctx, [[px, box.bottom], [px, box.bottom + 4]], ink, 1);
    text(ctx, short(x), px, box.bottom + 12, ink);
  }
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1;
  ctx.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  text(ctx, "plays", (box.left + box.right) / 2, height - 9, ink);
  turnedText(ctx, label, 9, (box.top + box.bottom) / 2, ink);
  const [cursor] = place(result.plays, low);
  line(ctx, [[cursor, box.top], [cursor, box.bottom]], ink, 1.5);
  const inside = (draw) => {
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    ctx.clip();
    draw();
    ctx.restore();
  };
  return { box, place, inside };
}

function dot(ctx, [x, y], style, ink) {
  ctx.beginPath();
  ctx.arc(x, y, 4, 0, 2 * Math.PI);
  ctx.fillStyle = style;
  ctx.fill();
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1;
  ctx.stroke();
}

// Heights in the same order, moved apart to at least `gap` and kept between top and bottom.
function spread(heights, gap, top, bottom) {
  const order = heights.map((y, i) => [Math.min(Math.max(y, top), bottom), i]).sort(([y], [z]) => y - z);
  for (let i = 1; i < order.length; i++) order[i][0] = Math.max(order[i][0], order[i - 1][0] + gap);
  let limit = bottom;
  for (let i = order.length - 1; i >= 0; i--, limit -= gap) {
    order[i][0] = Math.min(order[i][0], limit);
    limit = order[i][0];
  }
  const moved = [];
  for (const [y, i] of order) moved[i] = y;
  return moved;
}

function drawValues(pane, scene, agent) {
  const { ctx, ink } = pane, { data, learner, single, place: run, result } = scene, [low, high] = data.limits;
  const lines = single ? learner.values[agent][run] : learner.quartiles[agent][1];
  const outside = lines.flat().some((y) => y < low || y > high) ? " (some off the axis)" : "";
  const title = single ? `agent ${agent + 1}: values in run ${result.run}` : `agent ${agent + 1}: median value, quartiles`;
  const { box, place, inside } = drawAxes(pane, scene, data.limits, { title: title + outside, label: `value Q${"₁₂"[agent]}`, right: 62 });
  const points = (series) => series.map((y, k) => place(data.snapshots[k], y));
  const colours = lineColours(ink);
  inside(() => {
    if (!single) {
      const [lower, , upper] = learner.quartiles[agent];
      lower.forEach((series, action) => {
        fillBand(ctx, points(series), points(upper[action]), colours[action]);
        ctx.setLineDash(DASHES[action]); // edges, because bands on top of each other look like one
        for (const edge of [series, upper[action]]) line(ctx, points(edge), colours[action], 0.8);
      });
    }
    lines.forEach((series, action) => {
      ctx.setLineDash(DASHES[action]);
      line(ctx, points(series), colours[action], 2);
    });
    ctx.setLineDash([]);
    result.values[agent].forEach((y, action) => dot(ctx, place(result.plays, y), colours[action], ink));
  });
  const heights = spread(lines.map((series) => place(0, series.at(-1))[1]), 14, box.top + 6, box.bottom - 6);
  heights.forEach((y, action) => {
    ctx.setLineDash(DASHES[action]);
    line(ctx, [[box.right + 6, y], [box.right + 36, y]], colours[action], 2);
    ctx.setLineDash([]);
    text(ctx, data.action_names[agent][action], box.right + 42, y, ink, "left");
  });
}

function drawStar(ctx, x, y) {
  ctx.beginPath();
  for (let k = 0; k < 10; k++) {
    const r = k % 2 ? 2.8 : 6.5, angle = (k * Math.PI) / 5 - Math.PI / 2;
    ctx.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
  }
  ctx.closePath();
  ctx.fillStyle = "white";
  ctx.fill();
  ctx.strokeStyle = "black";
  ctx.lineWidth = 1;
  ctx.stroke();
}

// A bar as long as the share now, on a track that is 100 % long, with a triangle below at the share at the end.
function drawBar(ctx, left, top, size, now, end, ink) {
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1;
  ctx.strokeRect(left, top, size, 7);
  ctx.fillStyle = "white";
  ctx.fillRect(left, top, size * now, 7);
  ctx.strokeStyle = "black";
  ctx.strokeRect(left, top, size * now, 7);
  const x = left + size * end, tip = top + 8;
  ctx.beginPath();
  ctx.moveTo(x, tip);
  ctx.lineTo(x - 4, tip + 7);
  ctx.lineTo(x + 4, tip + 7);
  ctx.closePath();
  ctx.fillStyle = "white";
  ctx.fill();
  ctx.stroke();
}

function drawCell(ctx, { x, y, w, h }, { payoff, now, end, optimal, greedy }, ink) {
  if (greedy) {
    for (const [style, width] of [["black", 4], ["white", 2]]) {
      ctx.strokeStyle = style;
      ctx.lineWidth = width;
      ctx.strokeRect(x + 3, y + 3, w - 6, h - 6);
    }
  }
  ctx.font = w < 56 ? FONT.replace("12px", "10px") : FONT;
  const star = optimal ? 15 : 0, left = x + (w - star - ctx.measureText(payoff).width) / 2;
  if (optimal) drawStar(ctx, left + 6, y + 0.22 * h);
  text(ctx, payoff, left + star, y + 0.22 * h, ink, "left");
  if (now || end) {
    text(ctx, now > 0 && now < 0.005 ? "< 1 %" : `${Math.floor(100 * now + 0.5)} %`, x + w / 2, y + 0.47 * h, ink);
    drawBar(ctx, x + 0.12 * w, y + 0.64 * h, 0.76 * w, now, end, ink);
  }
  ctx.font = FONT;
}

function drawPolicy({ ctx, width, height, ink }, { data, result, single }) {
  const { payoff, action_names: names } = data, rows = payoff.length, columns = payoff[0].length;
  const box = { left: 38, top: 28, right: width - 62, bottom: height - 40 };
  const w = (box.right - box.left) / columns, h = (box.bottom - box.top) / rows;
  const low = Math.min(...payoff.flat()), range = Math.max(...payoff.flat()) - low || 1;
  const share = (value) => (value - low) / range;
  const among = (joints, a, b) => joints.some(([i, j]) => i === a && j === b);
  ctx.clearRect(0, 0, width, height);
  text(ctx, single ? `greedy joint action of run ${result.run}` : "share of runs by greedy joint action", (box.left + box.right) / 2, 12, ink);
  payoff.forEach((row, a) => row.forEach((value, b) => {
    const cell = { x: box.left + b * w, y: box.top + a * h, w, h };
    ctx.fillStyle = css(colour(share(value)));
    ctx.fillRect(cell.x, cell.y, w + 0.5, h + 0.5);
    drawCell(ctx, cell, {
      payoff: data.payoff_text[a][b], now: result.shares[a][b], end: result.end[a][b],
      optimal: among(data.optimum, a, b), greedy: among(result.greedy, a, b),
    }, share(value) < 0.5 ? "white" : "black");
  }));
  names[0].forEach((name, a) => text(ctx, name, box.left - 8, box.top + (a + 0.5) * h, ink, "right"));
  names[1].forEach((name, b) => text(ctx, name, box.left + (b + 0.5) * w, box.bottom + 12, ink));
  text(ctx, "action of agent 2", (box.left + box.right) / 2, height - 9, ink);
  turnedText(ctx, "action of agent 1", 9, (box.top + box.bottom) / 2, ink);
  const bar = { left: box.right + 12, right: box.right + 24, top: box.top + 20, bottom: box.bottom };
  drawColourBar(ctx, bar, ticks(low, low + range, 6), share, ink, "");
  text(ctx, "payoff", (bar.left + bar.right) / 2 + 4, bar.top - 15, ink); // clear of a tick at the top
}

function drawOptimal(pane, scene) {
  const { ctx, ink } = pane, { data, learner, single, runIsOptimal, result } = scene;
  const title = single ? `in an optimum: run ${result.run} (dashed), share of all runs` : "share of runs in an optimum, 95 % interval";
  const { place, inside } = drawAxes(pane, scene, [-3, 103], { title, label: "runs (%)", right: 16 });
  const colours = lineColours(ink);
  const points = (shares) => shares.map((share, k) => place(data.snapshots[k], 100 * share));
  const shares = learner.optimal.map((n) => n / learner.runs);
  inside(() => {
    fillBand(ctx, points(learner.intervals.map(([low]) => low)), points(learner.intervals.map(([, high]) => high)), colours[0]);
    line(ctx, points(shares), colours[0], 2);
    if (single) {
      const corners = points(runIsOptimal).flatMap(([x, y], k, all) => (k ? [[x, all[k - 1][1]], [x, y]] : [[x, y]]));
      ctx.setLineDash(DASHES[1]);
      line(ctx, corners, colours[1], 2);
      ctx.setLineDash([]);
    }
    dot(ctx, place(result.plays, 100 * result.optimal), colours[single ? 1 : 0], ink);
  });
}

// --- page ----------------------------------------------------------------------------------------------------

const tableOf = (caption, head, rows) => make("table", {},
  make("caption", {}, caption),
  make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name))),
  ...rows.map(([name, ...cells]) => make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((cell) => make("td", {}, cell)))));

function valueTable({ data, result, single }) {
  const number = (x) => x.toFixed(data.digits);
  const rows = result.values.flatMap((values, agent) => values.map((value, action) => [
    `agent ${agent + 1}, ${data.action_names[agent][action]}`,
    ...(single ? [number(value)] : [result.low, result.values, result.high].map((q) => number(q[agent][action]))),
  ]));
  const head = single ? ["action", "value"] : ["action", "25 %", "median", "75 %"];
  return tableOf(`values after ${result.plays} plays`, head, rows);
}

function jointTable({ data, result }) {
  const rows = data.payoff_text.flatMap((row, a) => row.flatMap((payoff, b) => {
    const now = result.shares[a][b], end = result.end[a][b], best = data.optimum.some(([i, j]) => i === a && j === b);
    return now || end || best ? [[`${best ? "★ " : ""}${jointName(data, [a, b])}`, payoff, percent(now), percent(end)]] : [];
  }));
  return tableOf("greedy joint actions, and the optimum", ["joint action", "payoff", "now", "at the end"], rows);
}

function radioGroup(legend, names, name, choose) {
  const inputs = names.map((value) => make("input", { type: "radio", name, value, ...focusable }));
  for (const input of inputs) input.addEventListener("change", (event) => choose(event, input.value));
  const node = make("fieldset", {}, make("legend", {}, legend), ...inputs.map((input) => make("label", {}, input, ` ${input.value}`)));
  return { node, check: (value) => { for (const input of inputs) input.checked = input.value === value; } };
}

// Calls step every FRAME_MS until it returns false or stop is called; ended is called once either way.
function film(step, ended) {
  let timer = null;
  const stop = () => {
    if (timer === null) return;
    clearInterval(timer);
    timer = null;
    ended();
  };
  return { stop, runs: () => timer !== null, start: () => { timer = setInterval(() => step() || stop(), FRAME_MS); } };
}

const PICTURES = {
  first: "values of agent 1 over plays",
  second: "values of agent 2 over plays",
  policy: "greedy joint actions on the payoff table",
  optimal: "share of runs in an optimum over plays",
};

function render({ model, el }) {
  const learners = unpackAll(model.get("data"));
  let scene = compute(model, learners);
  const group = `learning-${Math.random().toString(36).slice(2)}`, last = () => model.get("data").snapshots.length - 1;
  const root = make("div", { class: "qmix-explorer qmix-learning" });
  const act = redrawClock(root);
  const choose = (name) => (event, value) => act(event, () => {
    model.set(name, value);
    model.save_changes();
  });
  const which = radioGroup("learner", learners.map(({ name }) => name), `${group}-learner`, choose("learner"));
  const view = radioGroup("view", VIEWS, `${group}-view`, choose("view"));
  const run = make("select", { "aria-label": "run", ...focusable });
  const button = make("button", { type: "button", ...focusable });
  const slider = make("input", { type: "range", min: 0, max: last(), step: 1, "aria-label": "time", ...focusable });
  const time = make("output");
  const canvases = Object.entries(PICTURES).map(([name, label]) => make("canvas", { class: name, role: "img", "aria-label": label }));
  const summary = make("p", { class: "summary", "aria-live": "polite" });
  const tables = make("div", { class: "tables" });
  root.append(
    make("div", { class: "controls" }, which.node, view.node, run, make("div", { class: "time" }, button, "time ", slider, time)),
    make("div", { class: "panes" }, ...canvases.map((canvas) => make("div", {}, canvas))),
    make("p", { class: "key" }, "★ optimum   □ most common greedy joint action   bar: share now   △ share at the end   (arrow keys: learner, view, run, time)"),
    summary, tables);
  el.append(root);

  const paint = () => {
    const ink = getComputedStyle(root).color, panes = canvases.map((canvas) => prepare(canvas, ink));
    if (!panes.every(Boolean)) return;
    drawValues(panes[0], scene, 0);
    drawValues(panes[1], scene, 1);
    drawPolicy(panes[2], scene);
    drawOptimal(panes[3], scene);
  };
  let listed = null;
  const fillRuns = () => {
    const { data, learner, single, place } = scene, columns = data.payoff[0].length;
    if (listed !== learner) run.replaceChildren(...learner.shown.map((number, i) => {
      const end = learner.greedy[i].at(-1);
      return make("option", { value: i }, `run ${number}, ends in ${jointName(data, [Math.floor(end / columns), end % columns])}`);
    }));
    listed = learner;
    run.value = place;
    run.disabled = !single;
  };
  const refresh = () => {
    scene = compute(model, learners);
    const { result } = scene, words = summarise(scene);
    slider.max = last();
    slider.value = result.snapshot;
    time.value = `${result.plays} plays`;
    slider.setAttribute("aria-valuetext", time.value);
    which.check(result.learner);
    view.check(result.view);
    fillRuns();
    if (summary.textContent !== words) summary.textContent = words;
    tables.replaceChildren(valueTable(scene), jointTable(scene));
    paint();
    root.dataset.result = JSON.stringify(result);
  };

  const label = (playing) => {
    button.textContent = playing ? "❚❚ pause" : "▶ play";
    summary.setAttribute("aria-live", playing ? "off" : "polite"); // or a screen reader reads every frame
  };
  const movie = film(() => {
    model.set("snapshot", Math.min(model.get("snapshot") + 1, last()));
    return model.get("snapshot") < last();
  }, () => {
    label(false);
    model.save_changes();
  });
  button.addEventListener("click", (event) => act(event, () => {
    if (movie.runs()) return movie.stop();
    if (model.get("snapshot") === last()) model.set("snapshot", 0);
    label(true);
    movie.start();
  }));
  slider.addEventListener("input", (event) => {
    const value = Number(slider.value);
    movie.stop();
    choose("snapshot")(event, value);
  });
  run.addEventListener("change", (event) => choose("run")(event, Number(run.value)));

  const changes = ["learner", "snapshot", "view", "run"].map((name) => `change:${name}`);
  for (const name of changes) model.on(name, refresh);
  const unwatch = whenLooksChange(canvases[0], paint);
  label(false);
  refresh();
  return () => {
    movie.stop();
    for (const name of changes) model.off(name, refresh);
    unwatch();
  };
}

export default { render };
