// The payoff table that a student types, steps, drags, resizes, or takes from a list of games.

import { focusable, make } from "./drawing.js";
import { jointName, LETTERS, sameTable } from "./tables.js";

const SIZES = [2, 3, 4];
const SMALLEST = 1e-9, LARGEST = 1e9; // as in tables.py
const PIXELS = 6; // of a drag that change a payoff by 1
const KEYS = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 };

// The number that a student typed, or what is wrong with it.
export function parsePayoff(typed) {
  const words = typed.trim().replace("−", "-"), value = Number(words);
  if (!words) return { wrong: "An empty cell holds no number" };
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(words)) return { wrong: `“${words}” is not a number` };
  if (!(Math.abs(value) <= LARGEST)) return { wrong: `“${words}” is too large` };
  if (value !== 0 && Math.abs(value) < SMALLEST) return { wrong: `“${words}” is too close to 0` };
  return { value: value + 0 };
}

// Adding .1 three times gives .3; beyond the largest payoff nothing changes.
function stepped(value, step) {
  const next = Number((value + step).toPrecision(12));
  if (Math.abs(next) > LARGEST) return value;
  return Math.abs(next) < SMALLEST ? 0 : next;
}

function choice(label, options) {
  const select = make("select", { "aria-label": label, ...focusable });
  select.append(...options.map(([value, words]) => make("option", { value }, words)));
  return select;
}

// Returns the controls for game and size, the table with its message, and refresh(noteOf, marked), which shows the model's
// payoffs, a note under each, and a frame around the marked joint action.
export function payoffEditor(model, act) {
  const game = choice("game", [["", "your own table"], ...model.get("games").map(({ name }, k) => [k, name])]);
  const sizes = [1, 2].map((agent) => choice(`actions of agent ${agent}`, SIZES.map((m) => [m, m])));
  const table = make("table"), message = make("p", { class: "message", role: "status" });
  const memory = [0, 1, 2, 3].map(() => [0, 0, 0, 0]); // payoffs of actions taken away come back with them
  let own = null, inputs = [];

  const put = (event, payoff) => act(event, () => {
    message.textContent = "";
    model.set("payoff", payoff);
    model.save_changes();
  });
  const putCell = (event, a, b, value) => put(event, model.get("payoff").map((row, i) =>
    row.map((old, j) => (i === a && j === b ? value : old))));

  game.addEventListener("change", (event) => {
    for (const row of memory) row.fill(0);
    put(event, game.value === "" ? own : model.get("games")[game.value].payoff);
  });
  for (const select of sizes) {
    select.addEventListener("change", (event) => {
      const [m1, m2] = sizes.map(({ value }) => Number(value));
      put(event, memory.slice(0, m1).map((row) => row.slice(0, m2)));
    });
  }

  function cell(a, b) {
    const now = () => model.get("payoff")[a][b];
    const input = make("input", {
      type: "text", inputmode: "decimal", role: "spinbutton", autocomplete: "off", spellcheck: "false",
      "aria-label": `payoff of ${jointName([a, b])}`, ...focusable,
    });
    const show = () => {
      input.removeAttribute("aria-invalid");
      input.setAttribute("aria-valuenow", now());
      if (parsePayoff(input.value).value !== now()) input.value = now();
    };
    input.addEventListener("input", (event) => {
      const { value, wrong } = parsePayoff(input.value);
      if (wrong === undefined) return putCell(event, a, b, value);
      input.setAttribute("aria-invalid", "true");
      message.textContent = `${wrong}, so the payoff of ${jointName([a, b])} stays ${now()}; type a number from ` +
        `-${LARGEST.toExponential()} to ${LARGEST.toExponential()}.`.replaceAll("+", "");
    });
    input.addEventListener("blur", () => {
      show();
      input.value = now();
    });
    input.addEventListener("keydown", (event) => {
      if (!KEYS[event.key]) return;
      event.preventDefault();
      input.value = stepped(now(), KEYS[event.key] * (event.shiftKey ? 0.1 : 1));
      putCell(event, a, b, Number(input.value));
    });
    let drag = null;
    input.addEventListener("pointerdown", (event) => {
      drag = { y: event.clientY, from: now() };
      input.setPointerCapture(event.pointerId);
    });
    input.addEventListener("pointermove", (event) => {
      const moved = drag && Math.round((drag.y - event.clientY) / PIXELS);
      if (!(event.buttons & 1) || !drag || (moved === 0 && now() === drag.from)) return;
      input.value = stepped(drag.from, moved);
      putCell(event, a, b, Number(input.value));
    });
    for (const end of ["pointerup", "pointercancel"]) input.addEventListener(end, () => { drag = null; });
    return { input, show, note: make("small") };
  }

  function rebuild(m1, m2) {
    inputs = [...LETTERS.slice(0, m1)].map((_, a) => [...LETTERS.slice(0, m2)].map((__, b) => cell(a, b)));
    const head = make("tr", {}, make("th"), ...inputs[0].map((_, b) => make("th", { scope: "col" }, LETTERS[b])));
    const body = inputs.map((row, a) => make("tr", {}, make("th", { scope: "row" }, LETTERS[a]),
      ...row.map(({ input, note }) => make("td", {}, input, note))));
    table.replaceChildren(make("caption", {}, "payoffs; rows: agent 1, columns: agent 2"), head, ...body);
  }

  function refresh(noteOf = () => "", marked = null) {
    const payoff = model.get("payoff"), games = model.get("games"), [m1, m2] = [payoff.length, payoff[0].length];
    if (inputs.length !== m1 || inputs[0].length !== m2) rebuild(m1, m2);
    inputs.forEach((row, a) => row.forEach(({ input, show, note }, b) => {
      show();
      memory[a][b] = payoff[a][b];
      note.textContent = noteOf(a, b);
      input.classList.toggle("marked", marked !== null && marked[0] === a && marked[1] === b);
    }));
    sizes[0].value = m1;
    sizes[1].value = m2;
    const named = game.value !== "" && sameTable(games[game.value].payoff, payoff)
      ? Number(game.value) : games.findIndex((listed) => sameTable(listed.payoff, payoff));
    if (named < 0) own = payoff;
    game.value = named < 0 ? "" : named;
    game.options[0].disabled = own === null;
  }

  return {
    controls: [make("label", {}, "game ", game),
      make("span", {}, make("label", {}, "actions ", sizes[0]), make("label", {}, " × ", sizes[1]))],
    node: make("div", { class: "editor" }, table, make("div", { class: "beside" }, message,
      make("p", { class: "key" }, "Type a payoff, step it with ↑ ↓ (Shift: by 0.1, Page: by 10), or drag it up or down."))),
    refresh,
  };
}
