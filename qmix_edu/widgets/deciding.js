// Is a payoff table of two agents additive, supermodular, monotone, and why? Every function names the Python function that
// decides the same, in matrix_games/deciding.py; verdicts have the same parts, and their reasons the same words. Tables are
// lists of rows, tol is relative to the range of a table.

export const range = (n) => Array.from({ length: n }, (_, i) => i);
export const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const mean = (numbers) => sum(numbers) / numbers.length;
export const columnsOf = (table) => table[0].map((_, b) => table.map((row) => row[b]));

// games.slack: absolute tolerance for entries, tol times the range of the table, plus rounding.
export function slack(table, tol) {
  const cells = table.flat(), largest = Math.max(...cells.map(Math.abs));
  if (largest === 0) return 0;
  const spread = Math.max(...cells) / largest - Math.min(...cells) / largest;
  return largest * (tol * spread + (tol > 0 ? 64 * Number.EPSILON : 0));
}

// deciding.dominant: the joint actions of those actions that no other action of the same agent betters anywhere.
export function dominant(table, allowed) {
  const best = (rows) => range(rows.length).filter((a) =>
    rows.every((other) => other.every((value, b) => rows[a][b] >= value - allowed)));
  const columns = best(columnsOf(table));
  return best(table).flatMap((a) => columns.map((b) => [a, b]));
}

// --- decisions -----------------------------------------------------------------------------------------------

// deciding.is_additive: does the table equal its own additive fit? Otherwise some mixed difference is not 0.
export function isAdditive(table, tol = 1e-9) {
  const level = mean(table.map(mean)), allowed = slack(table, tol);
  const utilities = [table, columnsOf(table)].map((rows) => rows.map((row) => mean(row) - level + level / 2));
  const [u1, u2] = utilities;
  const within = table.every((row, a) => row.every((value, b) => Math.abs(value - (u1[a] + u2[b])) <= allowed));
  const minors = within ? [] : [lowestMinor(table), lowestMinor(table.map((row) => row.map((x) => -x)), -1)].filter(Boolean);
  if (!minors.length) {
    return { holds: true, utilities, minor: null, reason: "The table is the sum of one utility for each agent." };
  }
  const minor = minors.reduce((p, q) => (Math.abs(q.difference) > Math.abs(p.difference) ? q : p));
  const reason = `No sum of utilities is the table: agent 1 ${changes(table, minor)}; in a sum the two changes are equal.`;
  return { holds: false, utilities: null, minor, reason };
}

// deciding.is_monotone: does an order of every agent's actions make the table non-decreasing? Then that of their means.
export function isMonotone(table, tol = 1e-9) {
  const orders = ordersByMeans(table), allowed = slack(table, tol), sorted = sortedTable(table, orders);
  const rises = (rows) => rows.slice(1).every((row, a) => row.every((value, b) => value - rows[a][b] >= -allowed));
  const none = { orders: null, agent: null, actions: null, witnesses: null };
  if (rises(sorted) && rises(columnsOf(sorted))) {
    return { ...none, holds: true, orders, reason: `Every agent has an order of its actions: ${ordersInWords(orders)}.` };
  }
  const { agent, actions } = incomparable(table), [first, second] = actions;
  const rows = agent ? columnsOf(table) : table;
  const places = [leadPlace(rows, first, second), leadPlace(rows, second, first)];
  const witnesses = actions.map((action, k) => (agent ? [places[k], action] : [action, places[k]]));
  const better = (action, worse, place) => `${letter(action)} is better by ` +
    `${sixDigits(rows[action][place] - rows[worse][place])} if agent ${2 - agent} plays ${letter(place)}`;
  const reason = `No order suits actions ${letter(first)} and ${letter(second)} of agent ${agent + 1}: ` +
    `${better(first, second, places[0])}, ${better(second, first, places[1])}.`;
  return { ...none, holds: false, agent, actions, witnesses, reason };
}

// deciding.is_supermodular: is it monotone, and does a higher action never lower what the other agent gains by rising?
export function isSupermodular(table, tol = 1e-9) {
  const { holds, orders, reason } = isMonotone(table, tol);
  if (!holds) return { holds, orders, minor: null, reason: `Not even monotone. ${reason}` };
  const F = sortedTable(table, orders), allowed = slack(table, tol);
  const grows = range(F.length - 1).every((a) => range(F[0].length - 1).every((b) =>
    F[a + 1][b + 1] - F[a][b + 1] - (F[a + 1][b] - F[a][b]) >= -2 * allowed));
  if (grows) {
    const words = `A higher action never lowers what another agent gains by rising: ${ordersInWords(orders)}.`;
    return { holds: true, orders, minor: null, reason: words };
  }
  const lowest = lowestMinor(F), named = (actions) => actions.map((action, agent) => orders[agent][action]);
  const minor = { ...lowest, low: named(lowest.low), high: named(lowest.high) };
  const words = `Agent 1 ${changes(table, minor)}: the gain shrinks where it should grow.`;
  return { holds: false, orders: null, minor, reason: words };
}

// deciding.lowest_rung, with the verdicts on all three classes.
export function lowestRung(table) {
  const additive = isAdditive(table), supermodular = isSupermodular(table), monotone = isMonotone(table);
  const on = (name, reason) => ({ name, reason, additive, supermodular, monotone });
  if (additive.holds) return on("additive", `Additive. ${additive.reason}`);
  if (supermodular.holds) return on("supermodular", `Supermodular. ${supermodular.reason} ${additive.reason}`);
  if (monotone.holds) return on("monotone", `Monotone, not supermodular. ${monotone.reason} ${supermodular.reason}`);
  return on("any", `Not monotone. ${monotone.reason}`);
}

// --- certificates --------------------------------------------------------------------------------------------

// deciding._orders_by_means: each agent's actions from worst to best mean; equal means entry by entry.
function ordersByMeans(table) {
  return [table, columnsOf(table)].map((rows) => {
    const keys = rows.map((row) => [mean(row), ...row]);
    const byKey = (p, q) => p.map((key, k) => key - q[k]).find((difference) => difference !== 0) ?? 0;
    return range(rows.length).sort((a, b) => byKey(keys[a], keys[b]) || a - b);
  });
}

// The table with its actions in the given orders.
export const sortedTable = (table, [rows, columns]) => rows.map((a) => columns.map((b) => table[a][b]));

// deciding._incomparable: the two actions of one agent that are furthest from comparable.
function incomparable(table) {
  let largest = -Infinity, found = null;
  for (const agent of [0, 1]) {
    const rows = agent ? columnsOf(table) : table;
    const lead = (better, worse) => Math.max(...rows[better].map((value, k) => value - rows[worse][k]));
    for (let first = 0; first < rows.length; first++) {
      for (let second = first + 1; second < rows.length; second++) {
        const both = Math.min(lead(first, second), lead(second, first));
        if (both > largest) [largest, found] = [both, { agent, actions: [first, second] }];
      }
    }
  }
  return found;
}

// deciding._where_better: the other agent's action at which one action leads another by the most.
function leadPlace(rows, better, worse) {
  const lead = rows[better].map((value, k) => value - rows[worse][k]);
  return lead.indexOf(Math.max(...lead));
}

// deciding._lowest_minor: the minor, low before high, with the lowest difference
//   F(high, high) - F(low, high) - F(high, low) + F(low, low),
// given times sign; null if none is negative.
function lowestMinor(table, sign = 1) {
  let lowest = 0, found = null;
  for (let low = 0; low < table.length; low++) {
    for (let high = low + 1; high < table.length; high++) {
      const gain = table[high].map((value, b) => value - table[low][b]);
      for (let b = 1; b < gain.length; b++) {
        const before = Math.max(...gain.slice(0, b));
        if (gain[b] - before >= lowest) continue;
        lowest = gain[b] - before;
        found = { agents: [0, 1], low: [low, gain.indexOf(before)], high: [high, b], others: [], difference: sign * lowest };
      }
    }
  }
  return found;
}

// --- words ---------------------------------------------------------------------------------------------------

const letter = (action) => "abcd"[action];

// deciding._orders_in_words
function ordersInWords(orders) {
  return `from worst to best ${orders.map((order, i) => `agent ${i + 1} ${order.map(letter).join(", ")}`).join("; ")}`;
}

// deciding._gains and _beside, for agent 1 of a minor: what it gains by its higher action while agent 2 plays low and high.
function changes(table, { low, high }) {
  const [whileLow, whileHigh] = [low[1], high[1]].map((b) => {
    const amount = table[high[0]][b] - table[low[0]][b];
    const gains = amount > 0 ? `gains ${sixDigits(amount)}` : amount < 0 ? `loses ${sixDigits(-amount)}` : "changes nothing";
    return `${gains} if agent 2 plays ${letter(b)}`;
  });
  return `changing from ${letter(low[0])} to ${letter(high[0])} ${whileLow} but ${whileHigh}`;
}

// Python's f"{x:.6g}" for x > 0; it rounds ties to even digits, JavaScript away from 0.
export function sixDigits(x) {
  const [digits, power] = x.toExponential(60).split("e");
  const tie = /^.{6}[02468]50*$/.test(digits);
  const mantissa = Number(tie ? digits.slice(0, 7) : x.toExponential(5).split("e")[0]);
  const exponent = tie ? Number(power) : Number(x.toExponential(5).split("e")[1]);
  if (exponent >= -4 && exponent < 6) return String(Number(`${mantissa}e${exponent}`));
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
