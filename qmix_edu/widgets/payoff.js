// A payoff table beside its best additive, supermodular and monotone fits. Needs a model with get, set, on, off and
// save_changes, and nothing else. The numbers and words equal those of payoff.py.

import { focusable, make, prepare, redrawClock, whenLooksChange } from "./drawing.js";
import { payoffEditor } from "./editor.js";
import { fits, greedyIn } from "./fits.js";
import { colourScale, drawStar, drawTable, jointName, jointNames, makeBar, number, outline, tableInWords } from "./tables.js";

const CLASSES = ["additive", "supermodular", "monotone"];

// --- numbers -------------------------------------------------------------------------------------------------

// Sampling.epsilon_greedy
function epsilonGreedyWeights(shape, epsilon, centre) {
  const [p1, p2] = shape.map((m, agent) =>
    Array.from({ length: m }, (_, a) => (a === centre[agent] ? 1 - epsilon + epsilon / m : epsilon / m)));
  return p1.map((p) => p2.map((q) => p * q));
}

// PayoffExplorer.result
function compute(model) {
  const payoff = model.get("payoff"), epsilon = model.get("epsilon"), shape = [payoff.length, payoff[0].length];
  const centre = model.get("centre").map((action, agent) => Math.min(action, shape[agent] - 1));
  const weights = epsilonGreedyWeights(shape, epsilon, centre);
  const cells = payoff.flat(), highest = Math.max(...cells), span = highest - Math.min(...cells);
  const best = fits(payoff, weights);
  const described = CLASSES.map((name) => {
    const fit = best[name], regrets = fit.greedy.map(([a, b]) => highest - payoff[a][b]);
    const shown = Math.min(model.get("shown")[name] ?? 0, fit.solutions.length - 1);
    return [name, {
      ...fit, shown,
      regret: [Math.min(...regrets), Math.max(...regrets)],
      shown_greedy: greedyIn(fit.solutions[shown], span),
    }];
  });
  const optimum = payoff.flatMap((row, a) => row.flatMap((value, b) => (value === highest ? [[a, b]] : [])));
  return { result: { payoff, epsilon, centre, weights, optimum, fits: Object.fromEntries(described) }, highest, span };
}

// payoff._facts
function factsOf(fit, span) {
  const [best, worst] = fit.regret.map((regret) => number(regret));
  return [`loss ${number(fit.mse, span * span)}`, `greedy ${jointNames(fit.greedy)}`,
    `regret ${best === worst ? best : `${best} to ${worst}`}`];
}

// PayoffExplorer.summary
function summarise({ result, highest, span }) {
  const { epsilon, centre, optimum } = result;
  const data = epsilon === 1 ? "uniform" : `ε-greedy around ${jointName(centre)}, ε = ${epsilon.toFixed(2)}`;
  const sentences = CLASSES.map((name) => {
    const fit = result.fits[name], several = fit.solutions.length > 1 ? `${fit.solutions.length} optimal fits, ` : "";
    return `${name[0].toUpperCase()}${name.slice(1)}: ${several}${factsOf(fit, span).join(", ")}.`;
  });
  return [`Best payoff ${number(highest)} at ${jointNames(optimum)}; data ${data}.`, ...sentences].join(" ");
}

// --- page ----------------------------------------------------------------------------------------------------

function makePane(title) {
  const canvas = make("canvas", { role: "img" }), facts = make("p", { class: "facts" });
  return { canvas, facts, node: make("div", {}, make("div", { class: "title" }, title), canvas, facts) };
}

function render({ model, el }) {
  const root = make("div", { class: "qmix-explorer qmix-tables qmix-payoff" });
  const act = redrawClock(root), editor = payoffEditor(model, act);
  const choose = (event, name, value) => act(event, () => {
    model.set(name, value);
    model.save_changes();
  });
  // The slider runs from uniform data, 0 % greedy, to 95 % greedy.
  const slider = make("input", { type: "range", min: 0, max: 95, step: 5, "aria-label": "greedy share of the data", ...focusable });
  const epsilonText = make("output"), centreSelect = make("select", { "aria-label": "joint action in the centre", ...focusable });
  slider.addEventListener("input", (event) => choose(event, "epsilon", (100 - slider.value) / 100));
  centreSelect.addEventListener("change", (event) => choose(event, "centre", centreSelect.value.split(",").map(Number)));

  const truth = makePane("payoff (the truth)"), panes = Object.fromEntries(CLASSES.map((name) => [name, makePane(`${name} fit`)]));
  const bar = makeBar("value");
  for (const name of CLASSES.slice(1)) {
    const next = make("button", { type: "button", ...focusable });
    const turn = (event, step) => {
      const { shown, solutions } = scene.result.fits[name], n = solutions.length;
      choose(event, "shown", { ...model.get("shown"), [name]: (shown + step + n) % n });
    };
    next.addEventListener("click", (event) => turn(event, 1));
    next.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || next.disabled) return;
      event.preventDefault();
      turn(event, step);
    });
    panes[name].next = next;
    panes[name].node.append(next);
  }
  const summary = make("p", { class: "summary", "aria-live": "polite" });
  root.append(
    make("div", { class: "controls" }, ...editor.controls),
    editor.node,
    make("div", { class: "controls" },
      make("label", {}, "data: uniform ", slider, " greedy"), epsilonText, make("label", {}, "around ", centreSelect)),
    make("div", { class: "panes" }, truth.node, ...CLASSES.map((name) => panes[name].node), bar.node),
    make("p", { class: "key" }, "framed: greedy joint action of the fit, in the truth the best payoff   ★ best payoff"),
    summary);
  el.append(root);

  let scene = compute(model);
  const paint = () => {
    const ink = getComputedStyle(root).color, { result, span } = scene;
    const drawn = { truth: result.payoff };
    for (const name of CLASSES) drawn[name] = result.fits[name].solutions[result.fits[name].shown];
    const colours = colourScale(Object.values(drawn));
    for (const [name, table] of Object.entries(drawn)) {
      const pane = prepare((panes[name] || truth).canvas, ink);
      if (!pane) continue;
      const { side, corner } = drawTable(pane, table, { share: colours.share, scale: span });
      const framed = name === "truth" ? result.optimum : result.fits[name].shown_greedy;
      for (const [a, b] of framed) outline(pane.ctx, corner(a, b), side, side);
      const radius = Math.min(6, side / 8);
      for (const [a, b] of result.optimum) drawStar(pane.ctx, corner(a, b).map((x) => x + radius + 4), radius);
    }
    bar.draw(colours, ink);
  };
  const refresh = () => {
    scene = compute(model);
    const { result, span } = scene, { epsilon, centre, payoff, weights } = result, words = summarise(scene);
    editor.refresh((a, b) => `${number(100 * weights[a][b])} %`, centre);
    slider.value = Math.round(100 * (1 - epsilon));
    epsilonText.value = `ε = ${epsilon.toFixed(2)}`;
    slider.setAttribute("aria-valuetext", epsilonText.value);
    const joints = payoff.flatMap((row, a) => row.map((_, b) => [a, b]));
    if (centreSelect.options.length !== joints.length || centreSelect.dataset.columns !== String(payoff[0].length)) {
      centreSelect.replaceChildren(...joints.map((joint) => make("option", { value: joint }, jointName(joint))));
      centreSelect.dataset.columns = payoff[0].length;
    }
    centreSelect.value = String(centre);
    truth.facts.textContent = `best ${number(scene.highest)} at ${jointNames(result.optimum)}`;
    truth.canvas.setAttribute("aria-label", `payoffs, ${tableInWords(payoff, span)}`);
    for (const name of CLASSES) {
      const fit = result.fits[name], { canvas, facts, next } = panes[name], n = fit.solutions.length;
      facts.replaceChildren(...factsOf(fit, span).flatMap((fact) => [fact, make("br")]));
      canvas.setAttribute("aria-label", `${name} fit, ${tableInWords(fit.solutions[fit.shown], span)}; ` +
        `greedy ${jointNames(fit.shown_greedy)}`);
      if (!next) continue;
      next.disabled = n === 1;
      next.textContent = n === 1 ? "the only optimal fit" : `optimal fit ${fit.shown + 1} of ${n} ▸`;
    }
    if (summary.textContent !== words) summary.textContent = words;
    paint();
    root.dataset.result = JSON.stringify(result);
  };

  const changes = ["payoff", "epsilon", "centre", "shown"].map((name) => `change:${name}`);
  for (const name of changes) model.on(name, refresh);
  const unwatch = whenLooksChange(truth.canvas, paint);
  refresh();
  return () => {
    for (const name of changes) model.off(name, refresh);
    unwatch();
  };
}

export default { render };
