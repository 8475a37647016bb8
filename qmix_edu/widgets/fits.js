// The exact best fit of a payoff table of two agents by each class of value tables: additive, supermodular, monotone.
// Every function names the Python function that computes the same, in matrix_games/factorisation.py and cones.py.
//
// A fit minimises sum_a w(a) (R(a) - F(a))^2 / sum_a w(a). Inside this file a table [m1, m2] is one flat list, row after
// row, scaled to [-1/2, 1/2]: cell (a, b) is number a m2 + b.

import { dominant, isMonotone, isSupermodular, range, slack, sum } from "./deciding.js";

const TIE = 1e-11; // losses that differ by less, in units of the squared payoff range, are equal
const SAME = 1e-7; // tables that differ by less, in units of the payoff range, are one

// --- fitting -------------------------------------------------------------------------------------------------

// factorisation.additive_fit, supermodular_fit and monotone_fit. Returns for each class the loss, every optimal table, and
// every joint action that decentralised greedy agents can choose, over all optimal tables.
export function fits(payoff, weights) {
  const problem = prepared(payoff, weights);
  return {
    additive: additiveFit(problem),
    supermodular: orderedFit(problem, isSupermodular, supermodularProjection),
    monotone: orderedFit(problem, isMonotone, isotonicRegression),
  };
}

// factorisation._prepared: the table scaled to [-1/2, 1/2], and weights that sum to 1.
function prepared(payoff, weights) {
  const cells = payoff.flat(), low = Math.min(...cells), high = Math.max(...cells);
  const centre = low + (high - low) / 2, span = high - low, total = sum(weights.flat());
  return {
    payoff, centre, span,
    shape: [payoff.length, payoff[0].length],
    values: cells.map((value) => (value - centre) / (span || 1)),
    weight: weights.flat().map((w) => w / total),
  };
}

// factorisation._fit, from tables on the unit scale.
function asFit({ payoff, centre, span, shape }, loss, tables) {
  const whole = (flat) => range(shape[0]).map((a) => range(shape[1]).map((b) =>
    centre + span * (Math.round(flat[a * shape[1] + b] * 1e14) / 1e14)));
  const solutions = tables.map(whole);
  const chosen = new Set(solutions.flatMap((table) => greedyIn(table, span).map(String)));
  const greedy = payoff.flatMap((row, a) => row.map((_, b) => [a, b])).filter((joint) => chosen.has(String(joint)));
  return { mse: loss * span * span, solutions, greedy };
}

// The greedy joint actions of one optimal table; span is the range of the payoffs.
export const greedyIn = (table, span) => dominant(table, Math.max(SAME * span, slack(table, SAME)));

const squaredLoss = (values, weight, fitted) => sum(values.map((r, k) => weight[k] * (r - fitted[k]) ** 2));

// factorisation._weighted_utilities: F(a, b) = u(a) + v(b) with v(0) = 0, by the normal equations.
function additiveFit(problem) {
  const { values, weight, shape: [m1, m2] } = problem;
  const size = m1 + m2 - 1;
  const gram = range(size).map(() => new Array(size).fill(0)), right = new Array(size).fill(0);
  values.forEach((r, k) => {
    const a = Math.floor(k / m2), b = k % m2, unknowns = b ? [a, m1 + b - 1] : [a];
    for (const i of unknowns) {
      right[i] += weight[k] * r;
      for (const j of unknowns) gram[i][j] += weight[k];
    }
  });
  const x = solvePositive(gram, right);
  const fitted = values.map((_, k) => x[Math.floor(k / m2)] + (k % m2 ? x[m1 + (k % m2) - 1] : 0));
  return asFit(problem, squaredLoss(values, weight, fitted), [fitted]);
}

// Solve G x = y for a positive definite G, by Cholesky: G = L L'.
function solvePositive(G, y) {
  const n = y.length, L = range(n).map(() => new Array(n).fill(0)), x = [...y];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = G[i][j];
      for (let k = 0; k < j; k++) rest -= L[i][k] * L[j][k];
      L[i][j] = i === j ? Math.sqrt(rest) : rest / L[j][j];
    }
  }
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= L[i][k] * x[k];
    x[i] /= L[i][i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= L[k][i] * x[k];
    x[i] /= L[i][i];
  }
  return x;
}

// factorisation._ordered_fit
function orderedFit(problem, belongs, project) {
  const { payoff, span } = problem;
  if (belongs(payoff, 0).holds) return { mse: 0, solutions: [payoff], greedy: greedyIn(payoff, span) };
  const { best, found } = searchAll(problem, project);
  return asFit(problem, best, distinct(found));
}

// factorisation._search_all: the minimum over every pair of action orders, most promising first. Fitting every row and
// every column alone can lose no more than fitting all, so a pair whose rows or columns lose too much cannot win.
function searchAll({ values, weight, shape }, project) {
  const [rows, columns] = shape.map(permutations);
  const ofRows = rows.map((order) => chainLoss(values, weight, shape, 0, order));
  const ofColumns = columns.map((order) => chainLoss(values, weight, shape, 1, order));
  const queue = rows.flatMap((row, i) => columns.map((column, j) =>
    ({ row, column, bound: Math.max(ofRows[i], ofColumns[j]) })));
  queue.sort((p, q) => p.bound - q.bound);
  let best = Infinity, found = [];
  for (const { row, column, bound } of queue) {
    if (bound > best + TIE) break;
    const cells = row.flatMap((a) => column.map((b) => a * shape[1] + b));
    const fitted = project(cells.map((k) => values[k]), cells.map((k) => weight[k]), shape);
    const table = new Array(cells.length);
    cells.forEach((k, i) => { table[k] = fitted[i]; });
    const loss = squaredLoss(values, weight, table);
    if (loss > best + TIE) continue;
    if (loss < best - TIE) found = [];
    best = Math.min(best, loss);
    found.push(table);
  }
  return { best, found };
}

function permutations(n) {
  if (n === 0) return [[]];
  return permutations(n - 1).flatMap((order) => range(n).map((i) => [...order.slice(0, i), n - 1, ...order.slice(i)]));
}

// factorisation._chain_losses: what an order of one agent's actions loses when every column (or row) is fitted alone. The
// isotonic fit of a chain is max_{i <= k} min_{j >= k} mean(i..j).
function chainLoss(values, weight, [m1, m2], agent, order) {
  let loss = 0;
  for (let other = 0; other < (agent ? m1 : m2); other++) {
    const cells = order.map((action) => (agent ? other * m2 + action : action * m2 + other));
    const fitted = new Array(order.length).fill(-Infinity);
    for (let i = 0; i < cells.length; i++) {
      let total = 0, mass = 0;
      const means = cells.slice(i).map((k) => (total += weight[k] * values[k]) / (mass += weight[k]));
      for (let k = cells.length - 1, least = Infinity; k >= i; k--) {
        least = Math.min(least, means[k - i]);
        fitted[k] = Math.max(fitted[k], least);
      }
    }
    cells.forEach((k, i) => { loss += weight[k] * (values[k] - fitted[i]) ** 2; });
  }
  return loss;
}

// factorisation.distinct
function distinct(tables) {
  const kept = [];
  for (const table of tables) {
    if (!kept.some((other) => table.every((value, k) => Math.abs(value - other[k]) <= SAME))) kept.push(table);
  }
  const rounded = (value) => Math.round(value * 1e6);
  return kept.sort((p, q) => {
    const k = p.findIndex((value, i) => rounded(value) !== rounded(q[i]));
    return k < 0 ? 0 : rounded(q[k]) - rounded(p[k]);
  });
}

// --- inside one cone -----------------------------------------------------------------------------------------

const upperSetsOf = {};

// cones.upper_sets: the sets of cells that hold with a cell all cells above and to the right of it, as lists of cells; row
// a holds the columns from start[a] on, and start never rises.
function upperSets([m1, m2]) {
  const starts = (rows, most) => (rows === 0 ? [[]] : range(most + 1).flatMap((first) =>
    starts(rows - 1, first).map((rest) => [first, ...rest])));
  return (upperSetsOf[[m1, m2]] ||= starts(m1, m2).map((start) =>
    start.flatMap((first, a) => range(m2 - first).map((i) => a * m2 + first + i))));
}

// cones.isotonic: a block takes its mean; the upper set with the largest weighted excess over the mean is split off; when
// none has any, the block is final.
function isotonicRegression(values, weight, shape) {
  const fitted = new Array(values.length), blocks = [range(values.length)];
  const excess = new Float64Array(values.length);
  while (blocks.length) {
    const block = blocks.pop();
    let mass = 0, total = 0;
    for (const k of block) {
      mass += weight[k];
      total += weight[k] * values[k];
    }
    excess.fill(0);
    for (const k of block) excess[k] = weight[k] * (values[k] - total / mass);
    let largest = -Infinity, upper = null;
    for (const set of upperSets(shape)) {
      let gain = 0;
      for (const k of set) gain += excess[k];
      if (gain > largest) [largest, upper] = [gain, set];
    }
    const high = block.filter((k) => upper.includes(k)), low = block.filter((k) => !upper.includes(k));
    if (high.length && low.length && largest > 1e-15 * mass) blocks.push(high, low);
    else for (const k of block) fitted[k] = total / mass;
  }
  return fitted;
}

// cones.supermodular. A table that never falls and has increasing differences is a constant plus steps y(i, j) >= 0, each
// added to all cells from row i and column j on:
//   F(a, b) = c + sum_{i <= a, j <= b} y(i, j),
// where y(i, 0) and y(0, j) are the differences along the first column and row and the other y the mixed differences. So
// the projection is non-negative least squares on the steps; c fits the mean.
function supermodularProjection(values, weight, shape) {
  const m2 = shape[1], mass = fromHereOn(weight, shape);
  const level = sum(values.map((r, k) => weight[k] * r));
  const moment = fromHereOn(values.map((r, k) => weight[k] * (r - level)), shape);
  const steps = range(values.length - 1).map((k) => k + 1); // cell 0 is the constant
  const both = (k, l) => Math.max(Math.floor(k / m2), Math.floor(l / m2)) * m2 + Math.max(k % m2, l % m2);
  const length = steps.map((k) => Math.sqrt(mass[k] * (1 - mass[k])));
  const gram = steps.map((k, i) => steps.map((l, j) => (mass[both(k, l)] - mass[k] * mass[l]) / (length[i] * length[j])));
  const y = nonNegative(gram, steps.map((k, i) => moment[k] / length[i])).map((step, i) => step / length[i]);
  const c = level - sum(steps.map((k, i) => y[i] * mass[k]));
  const fitted = [c, ...y];
  for (let k = 0; k < fitted.length; k++) if (k % m2) fitted[k] += fitted[k - 1];
  for (let k = m2; k < fitted.length; k++) fitted[k] += fitted[k - m2];
  return fitted;
}

// The sum over all cells from row i and column j on, for every (i, j).
function fromHereOn(cells, [m1, m2]) {
  const total = [...cells];
  for (let k = total.length - 1; k >= 0; k--) if (k % m2 < m2 - 1) total[k] += total[k + 1];
  for (let k = (m1 - 1) * m2 - 1; k >= 0; k--) total[k] += total[k + m2];
  return total;
}

// scipy.optimize.nnls, here from the Gram matrix: minimise x'Gx / 2 - y'x over x >= 0. Lawson and Hanson 1974: free the
// variable with the steepest gradient, solve for the free ones, and pin again those that turn negative on the way.
function nonNegative(G, y) {
  const n = y.length, x = new Array(n).fill(0), barred = new Set();
  let free = [];
  for (let round = 0; round < 50 * n; round++) {
    const slope = y.map((value, i) => value - sum(free.map((j) => G[i][j] * x[j])));
    let steepest = -1;
    for (let i = 0; i < n; i++) {
      if (!free.includes(i) && !barred.has(i) && slope[i] > 1e-13 && !(slope[i] <= slope[steepest])) steepest = i;
    }
    if (steepest < 0) return x;
    free.push(steepest);
    for (let first = true; ; first = false) {
      const solved = solvePositive(free.map((i) => free.map((j) => G[i][j])), free.map((i) => y[i]));
      if (first && !(solved[free.length - 1] > 0)) { // only rounding made its gradient positive
        free.pop();
        barred.add(steepest);
        break;
      }
      barred.clear();
      let way = 1;
      free.forEach((i, k) => { if (solved[k] <= 0) way = Math.min(way, x[i] / (x[i] - solved[k])); });
      free.forEach((i, k) => { x[i] += way * (solved[k] - x[i]); });
      if (way === 1) break;
      free = free.filter((i, k) => solved[k] > 0 || x[i] > 1e-15);
      for (let i = 0; i < n; i++) if (!free.includes(i)) x[i] = 0;
    }
  }
  throw new Error("the supermodular projection did not converge; make the weights more alike.");
}
