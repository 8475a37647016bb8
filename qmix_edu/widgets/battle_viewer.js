// Recorded episodes, moment by moment: where the units stand and whom they shoot, what every agent thinks of its
// actions, how the mixer weighs the agents, and Q_tot over two agents' utilities at the state of that moment.
// Needs a model with get, set, on, off and save_changes, and nothing else. The numbers equal those of battle_viewer.py.

import { colour, css, ends, focusable, line, make, prepare, redrawClock, scale, short, text, ticks, whenLooksChange } from "./drawing.js";
import { drawMap, drawSurface, turnable } from "./surfaces.js";
import { NO_SURFACE, checkRecord, describe, momentOf, outcomeOf, readRecord } from "./episodes.js";

const STEPS_A_SECOND = 4; // twice the speed of the game
// Okabe and Ito's blue and vermilion, as in battle_plots.py, and lighter ones on dark pages; shapes and dashes say it too.
const TEAMS = ["#0072B2", "#D55E00"], TEAMS_ON_DARK = ["#56B4E9", "#E69F00"];
const LETTERS = { marine: "m", marauder: "M", stalker: "s", zealot: "Z", zergling: "z", hydralisk: "h" };
const SLOWEST_WEAPON = 2; // seconds
const GREY = "rgba(128,128,128,0.28)";

const onDark = (ink) => ink.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) > 384;
const clipped = (name, letters) => (name.length > letters ? `${name.slice(0, letters - 1)}…` : name);
const teamColour = (ink, team) => (onDark(ink) ? TEAMS_ON_DARK : TEAMS)[team];

// --- the battlefield -----------------------------------------------------------------------------------------

// A rectangle around everything that happens in the episode, fitted into the canvas.
function fieldOf({ positions }) {
  const all = positions.flat(), sides = [0, 1].map((k) => ends(all.map((place) => place[k]))).map(([low, high]) => [low - 1.5, high + 1.5]);
  return (width, height) => {
    const scale = Math.min(...[width, height].map((size, k) => size / (sides[k][1] - sides[k][0])));
    const middle = sides.map(([low, high]) => (low + high) / 2);
    const place = ([x, y]) => [width / 2 + (x - middle[0]) * scale, height / 2 - (y - middle[1]) * scale];
    return { place, radius: Math.min(Math.max(0.42 * scale, positions[0].length > 20 ? 6 : 8), 12) };
  };
}

function bodyPath(ctx, [x, y], team, radius) {
  ctx.beginPath();
  if (team === 0) ctx.arc(x, y, radius, 0, 2 * Math.PI);
  else ctx.rect(x - radius, y - radius, 2 * radius, 2 * radius);
}

function drawUnit(ctx, units, moment, i, where, radius, ink, chosen) {
  const team = units.teams[i], [x, y] = where, tint = teamColour(ink, team);
  if (!units.alive[moment][i]) {
    for (const side of [-1, 1]) line(ctx, [[x - 5, y - 5 * side], [x + 5, y + 5 * side]], tint, 2.5);
    return;
  }
  bodyPath(ctx, where, team, radius);
  ctx.fillStyle = tint;
  ctx.fill();
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1;
  ctx.stroke();
  const first = team === 0 ? 0 : units.teams.indexOf(1);
  if (radius >= 8) text(ctx, `${LETTERS[units.types[i]]}${i - first + 1}`, x, y + 0.5, onDark(ink) ? "black" : "white");
  const share = Math.min(units.cooldown[moment][i] / SLOWEST_WEAPON, 1);
  if (share > 0) {
    ctx.beginPath();
    ctx.arc(x, y, radius + 3.5, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * share);
    ctx.lineWidth = 2;
    ctx.strokeStyle = ink;
    ctx.stroke();
  }
  const width = 2.4 * radius, left = x - width / 2, top = y - radius - 10;
  ctx.fillStyle = "white";
  ctx.fillRect(left, top, width, 4);
  ctx.fillStyle = "#009E73";
  ctx.fillRect(left, top, width * Math.min(Math.max(units.health[moment][i], 0), 1), 4);
  ctx.strokeStyle = ink;
  ctx.lineWidth = 0.7;
  ctx.strokeRect(left, top, width, 4);
  if (chosen >= 0) {
    ctx.setLineDash(chosen ? [3, 2] : []);
    bodyPath(ctx, where, team, radius + 7);
    ctx.lineWidth = 2;
    ctx.strokeStyle = ink;
    ctx.stroke();
    ctx.setLineDash([]);
  }
}

// Units between two moments stand in between; returns where, for clicks.
function drawField({ ctx, width, height, ink }, { episode, result }, field, time) {
  const { units } = episode, last = episode.reward.length, moment = Math.min(Math.floor(time), last);
  const part = time - moment, after = Math.min(moment + 1, last), { place, radius } = field(width, height);
  const where = units.positions[moment].map((now, i) => place([0, 1].map((k) => now[k] + part * (units.positions[after][i][k] - now[k]))));
  ctx.clearRect(0, 0, width, height);
  ctx.strokeStyle = GREY;
  ctx.strokeRect(0.5, 0.5, width - 1, height - 1);
  if (moment < last) units.targets[moment].forEach((target, i) => {
    if (target < 0) return;
    ctx.setLineDash(units.teams[i] ? [4, 3] : []);
    line(ctx, [where[i], where[target]], teamColour(ink, units.teams[i]), 1.6);
    ctx.setLineDash([]);
  });
  const order = where.map((_, i) => i).sort((a, b) => units.alive[moment][a] - units.alive[moment][b]);
  ctx.font = "bold 10px system-ui, sans-serif";
  for (const i of order) drawUnit(ctx, units, moment, i, where[i], radius, ink, result.agents.indexOf(i));
  return { where, radius };
}

// --- utilities and weights -----------------------------------------------------------------------------------

const HEAD = 62, NAMES = 92, BARS = 118;
const rowHeight = (n) => Math.min(Math.max(Math.floor(420 / n), 12), 28);

function drawUtilities({ ctx, width, ink }, { record, episode, over, result }) {
  const n = record.n_agents, names = record.action_names, row = rowHeight(n), right = width - BARS;
  const cell = (right - NAMES) / names.length, step = result.step;
  ctx.clearRect(0, 0, width, HEAD + n * row + 30);
  names.forEach((name, a) => {
    ctx.save();
    ctx.translate(NAMES + (a + 0.5) * cell, HEAD - 6);
    ctx.rotate(-Math.PI / 2);
    if (cell >= 11 || a % 2 === 0) text(ctx, clipped(name, 9), 0, 0, ink, "left");
    ctx.restore();
  });
  const shown = over ? [] : episode.utilities[step].flatMap((us, i) => us.filter((_, a) => episode.avail_actions[step][i][a]));
  const [low, high] = ends(shown), share = (u) => (u - low) / (high - low || 1);
  for (let i = 0; i < n; i++) {
    const top = HEAD + i * row, type = episode.units ? episode.units.types[i] : "", dead = episode.units && !episode.units.alive[step][i];
    const mark = ["●", "○"][result.agents.indexOf(i)] || "";
    text(ctx, `${mark} ${i + 1} ${type}${dead ? " ✕" : ""}`, NAMES - 6, top + row / 2, ink, "right");
    if (over) continue;
    names.forEach((_, a) => drawChoice(ctx, NAMES + a * cell, top, cell, row, {
      available: episode.avail_actions[step][i][a], utility: episode.utilities[step][i][a], share,
      chosen: episode.actions[step][i] === a, greedy: episode.greedy[step][i] === a,
    }));
  }
  if (!over) drawScale(ctx, NAMES, right, HEAD + n * row + 8, low, high, ink);
  drawWeights(ctx, { left: right + 14, right: width - 38, row, n }, record, episode, result, ink);
}

function drawChoice(ctx, x, y, width, height, { available, utility, share, chosen, greedy }) {
  ctx.fillStyle = available ? css(colour(share(utility))) : GREY;
  ctx.fillRect(x + 0.5, y + 0.5, width - 1, height - 1);
  if (!available) return line(ctx, [[x + 1, y + height - 1], [x + width - 1, y + 1]], "rgba(128,128,128,0.6)", 0.8);
  const ink = share(utility) < 0.5 ? "white" : "black", sizes = width > 14 ? [4, 2] : [2.5, 1];
  if (chosen) [["black", sizes[0]], ["white", sizes[1]]].forEach(([style, size]) => {
    ctx.strokeStyle = style;
    ctx.lineWidth = size;
    ctx.strokeRect(x + sizes[1], y + sizes[1], width - 2 * sizes[1], height - 2 * sizes[1]);
  });
  if (greedy) text(ctx, "★", x + (width > 40 ? 8 : width / 2), y + height / 2, ink);
  if (width > 40 && height > 14) text(ctx, short(Number(utility.toFixed(3))), x + width / 2 + (greedy ? 5 : 0), y + height / 2, ink);
}

function drawScale(ctx, left, right, top, low, high, ink) {
  ctx.fillStyle = scale(ctx, [left, 0], [right, 0]);
  ctx.fillRect(left, top, right - left, 6);
  text(ctx, short(low), left, top + 15, ink, "left");
  text(ctx, "utility", (left + right) / 2, top + 15, ink);
  text(ctx, short(high), right, top + 15, ink, "right");
}

function drawWeights(ctx, { left, right, row, n }, record, episode, { weights, step }, ink) {
  if (record.mixing === "none") return text(ctx, "no mixer", (left + right) / 2, HEAD - 10, ink);
  text(ctx, "weight", (left + right) / 2, HEAD - 26, ink);
  text(ctx, "∂Q_tot/∂Qₐ", (left + right) / 2, HEAD - 11, ink);
  const [low, high] = ends([0, 1e-12, ...episode.weights.flat()]);
  const at = (w) => left + ((w - low) / (high - low)) * (right - left);
  if (weights) for (let i = 0; i < n; i++) {
    const y = HEAD + (i + 0.2) * row;
    ctx.fillStyle = onDark(ink) ? "#56B4E9" : "#0072B2";
    ctx.fillRect(Math.min(at(0), at(weights[i])), y, Math.abs(at(weights[i]) - at(0)), 0.6 * row);
    text(ctx, weights[i].toFixed(2), right + 5, y + 0.3 * row, ink, "left");
  }
  line(ctx, [[at(0), HEAD], [at(0), HEAD + n * row]], ink, 1);
}

// --- over time -----------------------------------------------------------------------------------------------

function drawOverTime({ ctx, width, height, ink }, { episode, result }, series, label) {
  const box = { left: 46, top: 34, right: width - 12, bottom: height - 34 }, last = episode.reward.length;
  const [low, high] = ends(series.flatMap(({ values }) => values));
  const x = (step) => box.left + (step / last) * (box.right - box.left);
  const y = (value) => box.bottom - ((value - low) / (high - low || 1)) * (box.bottom - box.top);
  ctx.clearRect(0, 0, width, height);
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1;
  ctx.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  for (const value of ticks(low, high, 4)) {
    line(ctx, [[box.left - 4, y(value)], [box.left, y(value)]], ink, 1);
    text(ctx, short(value), box.left - 6, y(value), ink, "right");
  }
  for (const step of ticks(0, last, 6).filter(Number.isInteger)) text(ctx, short(step), x(step), box.bottom + 11, ink);
  text(ctx, "step", (box.left + box.right) / 2, height - 8, ink);
  drawDeaths(ctx, episode, x, box, ink);
  let legend = box.left;
  for (const { values, name, tint, dash, size } of series) {
    ctx.setLineDash(dash);
    line(ctx, values.map((value, step) => [x(step), y(value)]), tint, size);
    if (name && result.step < last) {
      ctx.beginPath();
      ctx.arc(x(result.step), y(values[result.step]), 3.5, 0, 2 * Math.PI);
      ctx.fillStyle = tint;
      ctx.fill();
    }
    if (name) line(ctx, [[legend, 10], [legend + 24, 10]], tint, size);
    ctx.setLineDash([]);
    if (!name) continue;
    text(ctx, name, legend + 29, 10, ink, "left");
    legend += 45 + ctx.measureText(name).width;
  }
  ctx.setLineDash([2, 2]);
  line(ctx, [[x(result.step), box.top], [x(result.step), box.bottom]], ink, 1.5);
  ctx.setLineDash([]);
  ctx.save();
  ctx.translate(8, (box.top + box.bottom) / 2);
  ctx.rotate(-Math.PI / 2);
  text(ctx, label, 0, 0, ink);
  ctx.restore();
}

// ✕ in the team's colour where somebody died, allies above enemies.
function drawDeaths(ctx, { units }, x, box, ink) {
  if (!units) return;
  units.alive.forEach((now, m) => now.forEach((lives, i) => {
    if (m && !lives && units.alive[m - 1][i]) text(ctx, units.teams[i] ? "▫" : "✕", x(m), box.top - (units.teams[i] ? 4 : 13), teamColour(ink, units.teams[i]));
  }));
}

const linesOf = (ink) => [onDark(ink) ? "#56B4E9" : "#0072B2", onDark(ink) ? "#E69F00" : "#D55E00"];

function valueSeries({ record, episode }, ink) {
  const [first, second] = linesOf(ink);
  const returns = { values: episode.returns_to_come, name: "return still to come", tint: second, dash: [6, 3], size: 2 };
  return record.mixing === "none" ? [returns] : [{ values: episode.q_tot, name: "Q_tot", tint: first, dash: [], size: 2 }, returns];
}

function weightSeries({ record, episode, result }, ink) {
  const of = (agent) => episode.weights.map((row) => row[agent]), tints = linesOf(ink);
  const others = Array.from({ length: record.n_agents }, (_, i) => i).filter((i) => !result.agents.includes(i));
  return [
    ...others.map((agent) => ({ values: of(agent), name: null, tint: "rgba(128,128,128,0.55)", dash: [], size: 1 })),
    ...[...new Set(result.agents)].map((agent, i) => ({ values: of(agent), name: `agent ${agent + 1}`, tint: tints[i], dash: i ? [6, 3] : [], size: 2 })),
  ];
}

// --- page ----------------------------------------------------------------------------------------------------

function fillNumbers(table, { record, episode, over, result }) {
  if (over) return table.replaceChildren();
  const names = record.action_names, { units } = episode, step = result.step;
  const head = ["agent", ...(units ? ["health", "cooldown, s"] : []), "action", "best action", "utility", "weight"];
  const rows = Array.from({ length: record.n_agents }, (_, i) => [
    units ? `${i + 1} ${units.types[i]}` : `${i + 1}`,
    ...(units ? [units.alive[step][i] ? units.health[step][i].toFixed(2) : "dead", units.cooldown[step][i].toFixed(2)] : []),
    names[result.actions[i]], names[result.greedy[i]],
    episode.utilities[step][i][result.actions[i]].toFixed(3), result.weights ? result.weights[i].toFixed(3) : "–",
  ]);
  table.replaceChildren(
    make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name))),
    ...rows.map(([name, ...cells]) => make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((cell) => make("td", {}, cell)))),
  );
}

// Calls tick(seconds since the last call) before every frame until stop. A frame's time may lie before its start.
function clockwork(tick) {
  let frame = null, before = 0;
  const turn = (now) => {
    frame = requestAnimationFrame(turn);
    tick(Math.min(Math.max(now - before, 0) / 1000, 0.25));
    before = now;
  };
  return {
    runs: () => frame !== null,
    start: () => { before = performance.now(); frame = requestAnimationFrame(turn); },
    stop: () => { cancelAnimationFrame(frame); frame = null; },
  };
}

const canvas = (name, label, more = {}) => make("canvas", { class: name, role: "img", "aria-label": label, ...more });

function parts() {
  const select = (label) => make("select", { "aria-label": label, ...focusable });
  const p = {
    file: make("input", { type: "file", accept: ".json,application/json", "aria-label": "record to open", ...focusable }),
    message: make("p", { class: "message", role: "alert" }),
    episode: select("episode"), first: select("agent"), second: select("second agent"),
    play: make("button", { type: "button", ...focusable }),
    slider: make("input", { type: "range", min: 0, step: 1, "aria-label": "step", ...focusable }),
    time: make("output"),
    field: canvas("field", "battlefield; left and right: step, up and down: agent, with shift the second agent, space: play", { tabindex: 0, ...focusable }),
    utilities: canvas("utilities", "utilities of all agents' actions, and the mixer's weights"),
    values: canvas("values", "Q_tot and the return still to come over time"),
    weights: canvas("weights", "the mixer's weights over time"),
    map: canvas("map", "heat map of Q_tot over two agents' utilities"),
    surface: canvas("surface", "surface of Q_tot; arrow keys turn and tilt it", { tabindex: 0, ...focusable }),
    words: make("p", { class: "words" }),
    summary: make("p", { class: "summary", "aria-live": "polite" }),
    numbers: make("table"),
  };
  const key = (words) => make("p", { class: "key" }, words);
  p.fieldKey = key("circle: ally   square: enemy   line: shoots at   bar: health   arc: weapon not ready yet   ✕ dead   ring: chosen agents   " +
    "(a click, or ↑ ↓: agent, with shift the second; ← →: step; space: play)");
  p.timeKey = key("✕ an ally died   ▫ an enemy died");
  p.surfaceKey = key("★ both agents' best actions   ◎ what they did instead   ○ the other pairs of available actions");
  p.details = make("details", {}, make("summary", { ...focusable }, "numbers of this moment"), p.numbers);
  p.opener = make("label", { class: "opener" }, "record ", p.file);
  const pane = (name) => make("div", { class: `pane-${name}` }, p[name]);
  p.panes = make("div", {},
    make("div", { class: "controls" },
      make("label", {}, "episode ", p.episode), make("div", { class: "time" }, p.play, "step ", p.slider, p.time),
      make("label", {}, "● agent ", p.first), make("label", {}, "○ and ", p.second)),
    p.summary,
    make("div", { class: "panes" }, pane("field"), pane("utilities")),
    p.fieldKey,
    key("★ best action   □ chosen   / not available   weight: how much Q_tot rises with the agent's utility   (a click on a row: agent)"),
    make("div", { class: "panes" }, pane("values"), pane("weights")),
    p.timeKey,
    p.words,
    make("div", { class: "panes" }, pane("map"), pane("surface")),
    p.surfaceKey, p.details);
  return p;
}

function render({ model, el }) {
  const p = parts(), view = { azimuth: 35, elevation: 28 };
  const root = make("div", { class: "qmix-explorer qmix-battle" }, p.opener, p.message, p.panes), act = redrawClock(root);
  el.append(root);
  let record = null, scene = null, field = null, time = 0, drawn = { where: [], radius: 0 };

  const last = () => record.episodes[model.get("episode")].reward.length;
  const paintField = () => {
    const pane = field && prepare(p.field, getComputedStyle(root).color);
    if (!pane) return;
    drawn = drawField(pane, scene, field, time);
    root.dataset.frames = Number(root.dataset.frames || 0) + 1;
  };
  const paintSurface = () => {
    const ink = getComputedStyle(root).color, map = prepare(p.map, ink), solid = prepare(p.surface, ink);
    if (map) drawMap(map, scene.surface);
    if (solid) drawSurface(solid, scene.surface, view);
    Object.assign(root.dataset, view);
  };
  const paint = () => {
    if (!scene) return;
    const ink = getComputedStyle(root).color, on = (name) => prepare(p[name], ink);
    p.utilities.style.height = `${HEAD + record.n_agents * rowHeight(record.n_agents) + 30}px`;
    const [utilities, values, weights] = [on("utilities"), on("values"), on("weights")];
    if (utilities) drawUtilities(utilities, scene);
    if (values) drawOverTime(values, scene, valueSeries(scene, ink), "value (reward)");
    if (weights) drawOverTime(weights, scene, weightSeries(scene, ink), "∂Q_tot/∂Qₐ");
    if (scene.surface) paintSurface();
    paintField();
  };

  const refresh = () => {
    if (!record) return;
    const k = model.get("episode"), step = model.get("step"), agents = model.get("agents");
    scene = momentOf(record, k, step, agents);
    if (!movie.runs()) time = step;
    const { result, surface } = scene, words = describe(scene);
    p.episode.value = k;
    p.slider.max = last();
    p.slider.value = step;
    p.time.value = `${step} of ${last()}`;
    p.slider.setAttribute("aria-valuetext", p.time.value);
    p.first.value = agents[0];
    p.second.value = agents[1];
    if (p.summary.textContent !== words) p.summary.textContent = words;
    p.words.textContent = surface ? surfaceWords(surface, agents) : whyNoSurface(agents);
    for (const part of [p.map.parentNode, p.surface.parentNode, p.surfaceKey]) part.hidden = !surface;
    p.weights.parentNode.hidden = record.mixing === "none";
    for (const part of [p.field.parentNode, p.fieldKey, p.timeKey]) part.hidden = !scene.episode.units;
    if (p.details.open) fillNumbers(p.numbers, scene);
    paint();
    root.dataset.result = JSON.stringify(result);
  };
  const whyNoSurface = (agents) => {
    if (agents[0] === agents[1]) return "One agent alone has no plane of two utilities.";
    return NO_SURFACE[record.mixing] || "The episode is over: nobody chooses any more.";
  };
  const surfaceWords = ({ count }, [one, two]) =>
    `Q_tot over the utilities of agents ${one + 1} and ${two + 1} at this state, the others as they chose; along an axis it ` +
    (count ? "falls in places (hatched)." : "never falls.");

  // A record of somebody else's: nothing is shown of it before every part has been checked.
  const adopt = (content) => {
    movie.stop();
    record = scene = null;
    delete root.dataset.result;
    p.panes.hidden = true;
    p.message.textContent = "";
    if (content === null) return;
    try {
      checkRecord(content);
    } catch (error) {
      p.message.textContent = error.message;
      return;
    }
    record = content;
    p.panes.hidden = false;
    const numbers = Array.from({ length: record.n_agents }, (_, i) => i), [first] = record.episodes;
    p.episode.replaceChildren(...record.episodes.map((episode, k) => make("option", { value: k }, `${k + 1}: ${outcomeOf(episode)}, steps: ${episode.reward.length}`)));
    for (const list of [p.first, p.second]) list.replaceChildren(...numbers.map((i) => make("option", { value: i }, first.units ? `${i + 1} ${first.units.types[i]}` : `${i + 1}`)));
    if (model.get("episode") >= record.episodes.length) model.set("episode", 0);
    if (model.get("step") > last()) model.set("step", 0);
    if (model.get("agents").some((i) => i >= record.n_agents)) model.set("agents", [0, Math.min(1, record.n_agents - 1)]);
    newEpisode();
  };
  const newEpisode = () => {
    if (!record) return;
    const { units } = record.episodes[model.get("episode")];
    field = units ? fieldOf(units) : null;
    if (model.get("step") > last()) return model.set("step", 0); // and so a refresh
    refresh();
  };

  const label = (playing) => {
    p.play.textContent = playing ? "❚❚ pause" : "▶ play";
    p.summary.setAttribute("aria-live", playing ? "off" : "polite"); // or a screen reader reads every step
  };
  const smooth = !window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const movie = clockwork((seconds) => {
    time = Math.min(time + STEPS_A_SECOND * seconds, last());
    const step = Math.floor(time);
    if (step !== model.get("step")) model.set("step", step);
    else if (smooth) paintField();
    if (time === last()) pause();
  });
  const pause = () => {
    if (!movie.runs()) return;
    movie.stop();
    label(false);
    time = model.get("step");
    model.save_changes();
    paintField();
  };
  const toggle = () => {
    if (movie.runs()) return pause();
    if (model.get("step") === last()) model.set("step", 0);
    label(true);
    movie.start();
  };
  const set = (name, value) => {
    pause();
    model.set(name, value);
    model.save_changes();
  };
  const move = (by) => set("step", Math.min(Math.max(model.get("step") + by, 0), last()));
  // The other of the two makes room, by taking the place that this one leaves.
  const chooseAgent = (place, agent) => {
    const agents = [...model.get("agents")], other = 1 - place;
    if (agents[other] === agent) agents[other] = agents[place];
    agents[place] = agent;
    set("agents", agents);
  };
  const nextAgent = (place, by) => chooseAgent(place, (model.get("agents")[place] + by + record.n_agents) % record.n_agents);

  p.play.addEventListener("click", (event) => act(event, toggle));
  p.slider.addEventListener("input", (event) => act(event, () => set("step", Number(p.slider.value))));
  p.episode.addEventListener("change", (event) => act(event, () => set("episode", Number(p.episode.value))));
  [p.first, p.second].forEach((list, place) => list.addEventListener("change", (event) => act(event, () => chooseAgent(place, Number(list.value)))));
  p.field.addEventListener("keydown", (event) => {
    const place = event.shiftKey ? 1 : 0;
    const does = { ArrowLeft: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => nextAgent(place, -1), ArrowDown: () => nextAgent(place, 1), " ": toggle }[event.key];
    if (!does) return;
    event.preventDefault();
    act(event, does);
  });
  p.field.addEventListener("click", (event) => {
    const distance = ([x, y]) => Math.hypot(x - event.offsetX, y - event.offsetY);
    const near = drawn.where.slice(0, record.n_agents).map((place, i) => [distance(place), i]).sort((a, b) => a[0] - b[0])[0];
    if (near && near[0] < 2 * drawn.radius + 6) act(event, () => chooseAgent(event.shiftKey ? 1 : 0, near[1]));
  });
  p.utilities.addEventListener("click", (event) => {
    const row = Math.floor((event.offsetY - HEAD) / rowHeight(record.n_agents));
    if (row >= 0 && row < record.n_agents) act(event, () => chooseAgent(event.shiftKey ? 1 : 0, row));
  });
  p.details.addEventListener("toggle", () => { if (p.details.open && scene) fillNumbers(p.numbers, scene); });
  turnable(p.surface, view, act, paintSurface);
  p.file.addEventListener("change", async () => {
    const [file] = p.file.files;
    if (!file) return;
    adopt(null);
    try {
      adopt(await readRecord(file));
    } catch (error) {
      p.message.textContent = error.message;
    }
  });

  const fromModel = () => {
    p.opener.hidden = model.get("record") !== null;
    adopt(model.get("record"));
  };
  const heard = { record: fromModel, episode: newEpisode, step: refresh, agents: refresh };
  for (const [name, hear] of Object.entries(heard)) model.on(`change:${name}`, hear);
  const unwatch = whenLooksChange(root, paint);
  label(false);
  fromModel();
  return () => {
    movie.stop();
    for (const [name, hear] of Object.entries(heard)) model.off(`change:${name}`, hear);
    unwatch();
  };
}

export default { render };
