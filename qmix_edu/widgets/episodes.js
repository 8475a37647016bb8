// A record of episodes: checked as records.py checks it, and the numbers of one moment of it. The names of the parts
// are explained there.

import { GRID, axisAround, findViolations } from "./surfaces.js";

const VERSION = 1, FORMAT = "qmix_edu record";
const MAX_BYTES = 64 * 2 ** 20;
const MAX_NAME = 200;
const MAX_AGENTS = 1000;
const LARGEST = 1e38; // about what single precision holds
const AGAIN = "make it again with `qmix-edu record`";
const UNIT_TYPES = ["marine", "marauder", "stalker", "zealot", "zergling", "hydralisk"];
export const NO_SURFACE = {
  none: "Every agent has a value of its own and nothing mixes them, so there is no Q_tot; record vdn or qmix.",
  opaque: "Here Q_tot depends on more than the utilities and the state, or by a formula that the record does not hold; " +
    "it is known at the chosen joint action only.",
};

// --- reading -------------------------------------------------------------------------------------------------

function refuse(sentence) {
  throw new Error(`${sentence}; ${AGAIN}.`);
}

function quoted(value) {
  const text = String(typeof value === "string" ? `'${value}'` : JSON.stringify(value));
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

function checkText(value, what) {
  if (typeof value === "string" && value.length >= 1 && value.length <= MAX_NAME) return;
  refuse(`${what} is ${quoted(value)}, expected text of 1 to ${MAX_NAME} letters`);
}

function checkParts(value, where) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) refuse(`${where} is missing or has no parts with names`);
}

function listIn(content, name, where) {
  if (!Array.isArray(content[name]) || content[name].length === 0) refuse(`${where} has no list ${name}, or an empty one`);
  return content[name];
}

function checkNumbers(content, name, where, shape, low = -LARGEST, high = LARGEST, whole = false) {
  if (content[name] === undefined || content[name] === null) refuse(`${where} has no ${name}`);
  const visit = (part, depth) => {
    if (depth < shape.length) {
      if (!Array.isArray(part) || part.length !== shape[depth]) refuse(`${where}: ${name} is not numbers of shape [${shape.join(", ")}]`);
      for (const inner of part) visit(inner, depth + 1);
    } else if (typeof part !== "number") refuse(`${where}: ${name} holds something else than numbers`);
    else if (!Number.isFinite(part)) refuse(`${where}: ${name} holds a number that is not finite`);
    else if (part < low || part > high || (whole && !Number.isInteger(part))) {
      refuse(`${where}: ${name} holds a number that is none of the ${whole ? "whole " : ""}numbers from ${low} to ${high}`);
    }
  };
  visit(content[name], 0);
}

function checkUnits(units, where, n, t) {
  checkParts(units, where);
  const u = listIn(units, "types", where).length, m = t + 1;
  if (!units.types.every((type) => UNIT_TYPES.includes(type))) refuse(`${where} has a type that is none of ${UNIT_TYPES.join(", ")}`);
  checkNumbers(units, "teams", where, [u], 0, 1, true);
  if (!units.teams.every((team, i) => team === Number(i >= n)) || u < n) refuse(`${where}: teams are not the ${n} agents first and then their enemies`);
  checkNumbers(units, "positions", where, [m, u, 2]);
  for (const name of ["health", "cooldown"]) checkNumbers(units, name, where, [m, u]);
  checkNumbers(units, "alive", where, [m, u], 0, 1, true);
  checkNumbers(units, "targets", where, [t, u], -1, u - 1, true);
}

function checkEpisode(episode, where, n, a, mixing) {
  checkParts(episode, where);
  const t = listIn(episode, "reward", where).length;
  if (episode.won !== null && episode.won !== undefined) checkNumbers(episode, "won", where, [], 0, 1, true);
  checkNumbers(episode, "truncated", where, [], 0, 1, true);
  for (const name of ["reward", "returns_to_come"]) checkNumbers(episode, name, where, [t]);
  checkNumbers(episode, "utilities", where, [t, n, a]);
  checkNumbers(episode, "avail_actions", where, [t, n, a], 0, 1, true);
  for (const name of ["actions", "greedy"]) {
    checkNumbers(episode, name, where, [t, n], 0, a - 1, true);
    const available = episode[name].every((row, step) => row.every((action, agent) => episode.avail_actions[step][agent][action]));
    if (!available) refuse(`${where}: ${name} holds an action that is not available`);
  }
  if (mixing !== "none") {
    checkNumbers(episode, "q_tot", where, [t]);
    checkNumbers(episode, "weights", where, [t, n]);
  }
  if (mixing === "network") {
    checkParts(episode.mixer, `${where}: mixer`);
    const [first] = listIn(episode.mixer, "b1", `${where}: mixer`), e = Array.isArray(first) ? first.length : 0;
    const shapes = { w1: [t, n, e], b1: [t, e], w2: [t, e], v: [t] };
    for (const [name, shape] of Object.entries(shapes)) checkNumbers(episode.mixer, name, `${where}: mixer`, shape);
  }
  if (episode.units !== null && episode.units !== undefined) checkUnits(episode.units, `${where}: units`, n, t);
}

// Throws an Error of one sentence where this is no whole record.
export function checkRecord(record) {
  if (record === null || typeof record !== "object" || record.format !== FORMAT) {
    refuse("This is no record of episodes (its format is not 'qmix_edu record')");
  }
  if (record.version !== VERSION) refuse(`The record has version ${quoted(record.version)}, and this program reads version ${VERSION}`);
  const names = listIn(record, "action_names", "The record"), episodes = listIn(record, "episodes", "The record");
  checkNumbers(record, "n_agents", "The record", [], 1, MAX_AGENTS, true);
  checkNumbers(record, "gamma", "The record", [], 0, 1);
  if (!["network", "linear", "opaque", "none"].includes(record.mixing)) {
    refuse(`The record has mixing ${quoted(record.mixing)}, expected one of network, linear, opaque, none`);
  }
  checkText(record.env, "The record's env");
  checkText(record.algorithm, "The record's algorithm");
  for (const name of names) checkText(name, "An action's name");
  episodes.forEach((episode, k) => checkEpisode(episode, `Episode ${k + 1}`, record.n_agents, names.length, record.mixing));
}

// Reads a file that somebody chose; nothing of it leaves the page.
export async function readRecord(file) {
  if (file.size > MAX_BYTES) {
    refuse(`${file.name.slice(0, MAX_NAME)} has ${Math.floor(file.size / 2 ** 20)} MB, and a record has ${MAX_BYTES / 2 ** 20} at most`);
  }
  let record;
  try {
    record = JSON.parse(await file.text());
  } catch {
    refuse(`${file.name.slice(0, MAX_NAME)} is not JSON and so no record of episodes`);
  }
  checkRecord(record);
  return record;
}

// --- numbers -------------------------------------------------------------------------------------------------

// Returns Q_tot as a function of the utilities of two agents, at the state of one step and the others' chosen actions.
function mixOfTwo({ mixing }, episode, step, one, two) {
  const chosen = episode.utilities[step].map((row, agent) => row[episode.actions[step][agent]]);
  if (mixing === "linear") {
    const weights = episode.weights[step];
    return (q1, q2) => episode.q_tot[step] + (q1 - chosen[one]) * weights[one] + (q2 - chosen[two]) * weights[two];
  }
  const [w1, b1, w2, v] = ["w1", "b1", "w2", "v"].map((name) => episode.mixer[name][step]);
  const rest = b1.map((bias, e) => chosen.reduce((sum, q, agent) => (agent === one || agent === two ? sum : sum + q * w1[agent][e]), bias));
  return (q1, q2) => {
    let total = v;
    for (let e = 0; e < rest.length; e++) {
      const z = q1 * w1[one][e] + q2 * w1[two][e] + rest[e];
      total += (z > 0 ? z : Math.expm1(z)) * w2[e];
    }
    return total;
  };
}

// Q_tot over the plane of two agents' utilities, as surfaces.js draws it; null where it is not known, see NO_SURFACE.
export function surfaceAt(record, episode, step, [one, two]) {
  if (NO_SURFACE[record.mixing] || one === two || step === episode.reward.length) return null;
  const mix = mixOfTwo(record, episode, step, one, two), names = record.action_names;
  const available = [one, two].map((agent) => names.flatMap((_, a) => (episode.avail_actions[step][agent][a] ? [a] : [])));
  const of = (agent, a) => episode.utilities[step][agent][a];
  const [q1, q2] = [one, two].map((agent, i) => axisAround(available[i].map((a) => of(agent, a))));
  const z = q1.map((x) => q2.map((y) => mix(x, y))), flat = z.flat();
  const { count, cells } = findViolations(z);
  const both = (choice, a, b) => choice[step][one] === a && choice[step][two] === b;
  const points = available[0].flatMap((a) => available[1].map((b) => {
    const greedy = both(episode.greedy, a, b), ringed = both(episode.actions, a, b) && !greedy;
    const value = mix(of(one, a), of(two, b));
    return { q1: of(one, a), q2: of(two, b), value, name: greedy || ringed ? `${names[a]}, ${names[b]}` : null, greedy, ringed };
  }));
  const axes = [one, two].map((agent) => `utility of agent ${agent + 1}`), shortAxes = [`Q of ${one + 1}`, `Q of ${two + 1}`];
  const low = Math.min(...flat), high = Math.max(...flat), mean = flat.reduce((a, b) => a + b, 0) / (GRID * GRID);
  return { q1, q2, z, cells, count, points, low, high, mean, axes, shortAxes };
}

export function alive(episode, moment) {
  if (!episode.units) return null;
  const count = (team) => episode.units.alive[moment].filter((lives, i) => lives && episode.units.teams[i] === team).length;
  return [count(0), count(1)];
}

// The numbers that the picture shows; battle_viewer.py returns the same.
export function momentOf(record, k, step, agents) {
  const episode = record.episodes[k], over = step === episode.reward.length, surface = surfaceAt(record, episode, step, agents);
  const at = (values) => (over || !values ? null : values[step]);
  const result = {
    episode: k, step, agents,
    alive: alive(episode, step),
    actions: at(episode.actions),
    greedy: at(episode.greedy),
    weights: record.mixing === "none" ? null : at(episode.weights),
    q_tot: record.mixing === "none" ? null : at(episode.q_tot),
    return_to_come: over ? 0 : episode.returns_to_come[step],
    surface: surface && { lowest: surface.low, highest: surface.high, mean: surface.mean, violations: surface.count, values: surface.points.map(({ value }) => value) },
  };
  return { record, episode, over, surface, result };
}

export function outcomeOf(episode) {
  if (episode.won === 1) return "won";
  if (episode.truncated) return "out of time";
  return episode.won === 0 ? "not won" : "over";
}

const capital = (words) => words[0].toUpperCase() + words.slice(1);

export function describe({ record, episode, over, result }) {
  const { step, agents } = result, last = episode.reward.length, parts = [`step ${step} of ${last}`];
  if (result.alive) {
    const [ours, theirs] = [record.n_agents, episode.units.teams.length - record.n_agents];
    parts.push(`${result.alive[0]} of ${ours} allies and ${result.alive[1]} of ${theirs} enemies live`);
  }
  if (over) return `${capital(parts.join(", "))}; the episode is over: ${outcomeOf(episode)}.`;
  const names = record.action_names;
  const acts = [...new Set(agents)].map((agent) => {
    const action = result.actions[agent], best = result.greedy[agent];
    const choice = action === best ? "its best" : `its best is ${names[best]}`;
    const weight = result.weights ? `, weight ${result.weights[agent].toFixed(2)}` : "";
    return `Agent ${agent + 1} takes ${names[action]} (${choice}), utility ${episode.utilities[step][agent][action].toFixed(3)}${weight}.`;
  });
  const value = result.q_tot === null ? "No Q_tot" : `Q_tot ${result.q_tot.toFixed(2)}`;
  return `${capital(parts.join(", "))}. ${acts.join(" ")} ${value}, return still to come ${result.return_to_come.toFixed(2)}.`;
}
