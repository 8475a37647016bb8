// A run's curves while it trains. Needs a model with get, set, on, off and save_changes, and nothing else; the numbers
// are those that training.py prepares from the run's log.

import { fillBand, focusable, line, lineColours, make, prepare, redrawClock, short, text, ticks, turnedText, whenLooksChange } from "./drawing.js";

const big = (x) => (x >= 1e6 ? `${short(x / 1e6)}M` : x >= 1e3 ? `${short(x / 1e3)}k` : short(x));
const whole = (x) => Math.round(x).toLocaleString("en-US");

function duration(seconds) {
  const all = Math.round(seconds), h = Math.floor(all / 3600), min = Math.floor((all % 3600) / 60);
  return h ? `${h} h ${min} min` : min ? `${min} min ${all % 60} s` : `${all} s`;
}

// --- numbers -------------------------------------------------------------------------------------------------

function compute(model) {
  const log = model.get("log"), n = log.env_steps.length, chosen = model.get("at");
  const follows = chosen < 0 || chosen >= n, k = follows ? n - 1 : chosen;
  const steps = n ? log.env_steps[k] : 0;
  const before = log.evaluations.filter(([at]) => at <= steps);
  const point = { env_steps: steps, evaluation: before.length ? before.at(-1) : null };
  for (const name of Object.keys(log.titles)) point[name] = n ? log.series[name][k] : null;
  return { log, k, follows, point };
}

function summarise({ log }) {
  const parts = [`${log.name}: ${log.state}, ${whole(log.done)} of ${whole(log.steps)} steps done`];
  if (log.evaluations.length) {
    const [, value, low, high] = log.evaluations.at(-1);
    const interval = low === null ? "" : `, 95 % interval ${low.toFixed(2)} to ${high.toFixed(2)}`;
    parts.push(`last greedy ${log.measure} ${value.toFixed(2)}${interval}`);
  }
  if (log.state === "training" && log.speed) parts.push(`${whole(log.speed)} steps a second, ${duration(log.left)} left`);
  return `${parts.join("; ")}.`;
}

function readOut({ log, point }) {
  const parts = Object.entries(log.titles).filter(([name]) => point[name] !== null).map(([name, title]) => `${title} ${short(point[name])}`);
  if (point.evaluation) parts.unshift(`greedy ${log.measure} ${short(point.evaluation[1])} (at ${whole(point.evaluation[0])})`);
  return `After ${whole(point.env_steps)} steps: ${parts.join(", ") || "nothing logged yet"}.`;
}

// --- drawing -------------------------------------------------------------------------------------------------

function limits(values) {
  const low = Math.min(...values), high = Math.max(...values), room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}

// One curve: points are (steps, value), a band may lie around it, and a line marks the steps that are read out.
function drawCurve({ ctx, width, height, ink }, { log, point }, { title, label, points, band, range }) {
  const box = { left: 54, top: 28, right: width - 14, bottom: height - 40 }, middle = (box.left + box.right) / 2;
  ctx.clearRect(0, 0, width, height);
  text(ctx, title, middle, 12, ink);
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1;
  ctx.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  text(ctx, "environment steps", middle, height - 9, ink);
  turnedText(ctx, label, 9, (box.top + box.bottom) / 2, ink);
  if (!points.length) return text(ctx, "nothing yet", middle, (box.top + box.bottom) / 2, ink);
  const [low, high] = range || limits(points.map(([, y]) => y));
  const x = (steps) => box.left + (Math.min(steps, log.steps) / log.steps) * (box.right - box.left);
  const y = (value) => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top);
  for (const value of ticks(low, high, 5)) text(ctx, short(value), box.left - 6, y(value), ink, "right");
  for (const steps of ticks(0, log.steps, 4)) text(ctx, big(steps), x(steps), box.bottom + 12, ink);
  const blue = lineColours(ink)[0], at = (pairs) => pairs.map(([steps, value]) => [x(steps), y(value)]);
  if (band) fillBand(ctx, at(band.map(([s, l]) => [s, l])), at(band.map(([s, , h]) => [s, h])), blue);
  line(ctx, at(points), blue, 2);
  for (const [px, py] of at(points.length > 60 ? points.slice(-1) : points)) {
    ctx.beginPath();
    ctx.arc(px, py, 2.5, 0, 2 * Math.PI);
    ctx.fillStyle = blue;
    ctx.fill();
  }
  line(ctx, [[x(point.env_steps), box.top], [x(point.env_steps), box.bottom]], ink, 1);
}

function curves({ log }) {
  const wins = log.measure === "win rate";
  const series = Object.entries(log.titles).map(([name, title]) => ({
    title, label: title,
    points: log.env_steps.map((steps, k) => [steps, log.series[name][k]]).filter(([, value]) => value !== null),
  }));
  return [{
    title: `greedy ${log.measure}${wins ? ", 95 % interval" : ""}`, label: log.measure,
    points: log.evaluations.map(([steps, value]) => [steps, value]),
    band: wins ? log.evaluations.map(([steps, , low, high]) => [steps, low, high]) : null,
    range: wins ? [-0.03, 1.03] : null,
  }, ...series];
}

// --- page ----------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const root = make("div", { class: "qmix-explorer qmix-training" }), act = redrawClock(root);
  const summary = make("p", { class: "summary" }), state = make("p", { class: "state", "aria-live": "polite" });
  const bar = make("progress", { max: 1, "aria-label": "share of the steps that are done" });
  const slider = make("input", { type: "range", min: 0, step: 1, "aria-label": "point to read out", ...focusable });
  const read = make("p", { class: "facts", "aria-live": "polite" });
  const canvases = [0, 1, 2, 3].map(() => make("canvas", { role: "img" }));
  root.append(
    summary, bar, state,
    make("div", { class: "panes" }, ...canvases.map((canvas) => make("div", {}, canvas))),
    make("label", { class: "time" }, "read out ", slider), read);
  el.append(root);
  let scene = compute(model);

  const paint = () => {
    const ink = getComputedStyle(root).color;
    curves(scene).forEach((curve, i) => {
      canvases[i].setAttribute("aria-label", `${curve.title} over environment steps`);
      const pane = prepare(canvases[i], ink);
      if (pane) drawCurve(pane, scene, curve);
    });
  };
  const refresh = () => {
    scene = compute(model);
    const { log, k, point } = scene, words = readOut(scene);
    summary.textContent = summarise(scene);
    if (state.textContent !== `State: ${log.state}.`) state.textContent = `State: ${log.state}.`;
    bar.value = Math.min(1, log.done / log.steps);
    slider.max = Math.max(0, log.env_steps.length - 1);
    slider.value = Math.max(0, k);
    slider.setAttribute("aria-valuetext", `${whole(point.env_steps)} steps`);
    read.setAttribute("aria-live", scene.follows ? "off" : "polite"); // or a screen reader reads every new point
    if (read.textContent !== words) read.textContent = words;
    paint();
    root.dataset.result = JSON.stringify({ state: log.state, done: log.done, ...point });
  };
  slider.addEventListener("input", (event) => act(event, () => {
    const k = Number(slider.value);
    model.set("at", k === Number(slider.max) ? -1 : k); // the right end follows the run
    model.save_changes();
  }));
  for (const name of ["change:log", "change:at"]) model.on(name, refresh);
  refresh();
  const forget = whenLooksChange(root, paint);
  return () => {
    forget();
    for (const name of ["change:log", "change:at"]) model.off(name, refresh);
  };
}

export default { render };
