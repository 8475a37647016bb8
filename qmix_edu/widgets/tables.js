// Payoff tables of two agents: numbers and joint actions in words, and heat maps. The words equal those of tables.py.

import { colour, css, drawColourBar, line, make, prepare, text, ticks } from "./drawing.js";

export const LETTERS = "abcd";

// tables.number: four digits, or 0 where the value is rounding noise beside scale; ties are rounded up.
export function number(value, scale = 0) {
  const size = Math.abs(value), nudged = value * (1 + 1e-9);
  if (size <= 1e-9 * scale) return "0";
  return size >= 1e-3 && size < 1e5 ? String(Number(nudged.toPrecision(4))) : nudged.toExponential(2);
}

export const jointName = (joint) => `(${joint.map((action) => LETTERS[action]).join(", ")})`;
export function jointNames(joints) {
  return joints.length <= 4 ? joints.map(jointName).join(" or ") : `one of ${joints.length} joint actions`;
}
export const sameTable = (p, q) => JSON.stringify(p) === JSON.stringify(q);

// Where a pane shows a table of this shape with square cells: cells(a, b) is the top left corner of a cell.
export function layOut({ width, height }, [m1, m2]) {
  const box = { left: 38, top: 6, right: width - 6, bottom: height - 38 };
  const side = Math.min((box.right - box.left) / m2, (box.bottom - box.top) / m1);
  const left = box.left + (box.right - box.left - side * m2) / 2;
  return { side, left, top: box.top, corner: (a, b) => [left + b * side, box.top + a * side] };
}

// A heat map with its numbers and axes. share maps a value to [0, 1] of the colour scale, scale is the payoffs' range, and
// orders say which action stands in which row and column; sorted says that these go from worst to best.
export function drawTable(pane, table, { share, scale, orders, sorted = false }) {
  const { ctx, width, height, ink } = pane, shape = [table.length, table[0].length], place = layOut(pane, shape);
  const [rows, columns] = orders || shape.map((m) => [...LETTERS.slice(0, m)].map((_, k) => k));
  ctx.clearRect(0, 0, width, height);
  rows.forEach((action, a) => columns.forEach((other, b) => {
    const [x, y] = place.corner(a, b), value = table[action][other];
    ctx.fillStyle = css(colour(share(value)));
    ctx.fillRect(x, y, place.side + 0.5, place.side + 0.5);
    const room = place.side - 10, whole = number(value, scale);
    const words = ctx.measureText(whole).width <= room ? whole : Number(whole).toPrecision(3);
    const zoom = Math.min(1, room / ctx.measureText(words).width);
    ctx.save();
    ctx.translate(x + place.side / 2, y + place.side / 2);
    ctx.scale(zoom, zoom);
    text(ctx, words, 0, 0.5, share(value) < 0.5 ? "white" : "black");
    ctx.restore();
  }));
  const bottom = place.top + shape[0] * place.side, middle = place.left + (shape[1] * place.side) / 2;
  rows.forEach((action, a) => text(ctx, LETTERS[action], place.left - 10, place.corner(a, 0)[1] + place.side / 2, ink));
  columns.forEach((action, b) => text(ctx, LETTERS[action], place.corner(0, b)[0] + place.side / 2, bottom + 11, ink));
  const [upright, level] = sorted ? ["← agent 1, rising", "agent 2, rising →"] : ["agent 1", "agent 2"];
  text(ctx, level, Math.min(middle, width - ctx.measureText(level).width / 2 - 2), bottom + 28, ink);
  ctx.save();
  ctx.translate(place.left - 27, Math.max((place.top + bottom) / 2, ctx.measureText(upright).width / 2 + 2));
  ctx.rotate(-Math.PI / 2);
  text(ctx, upright, 0, 0, ink);
  ctx.restore();
  return place;
}

// White on black along the edge of some cells of a table that drawTable has placed.
export function outline(ctx, [x, y], width, height, dashes = []) {
  for (const [style, thickness] of [["black", 4.5], ["white", 2]]) {
    if (style === "white") ctx.setLineDash(dashes);
    const [l, t, r, b] = [x + 3, y + 3, x + width - 3, y + height - 3];
    line(ctx, [[l, t], [r, t], [r, b], [l, b], [l, t], [r, t]], style, thickness);
  }
  ctx.setLineDash([]);
}

export function drawStar(ctx, [x, y], radius) {
  ctx.beginPath();
  for (let k = 0; k < 10; k++) {
    const r = k % 2 ? 0.42 * radius : radius, angle = (k * Math.PI) / 5 - Math.PI / 2;
    ctx.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
  }
  ctx.closePath();
  ctx.fillStyle = "white";
  ctx.fill();
  ctx.strokeStyle = "black";
  ctx.lineWidth = 1.2;
  ctx.stroke();
}

// One colour scale for some tables: the share of a value between the lowest and the highest of them.
export function colourScale(tables) {
  const values = tables.flat(2), low = Math.min(...values), high = Math.max(...values);
  return { low, high, share: (value) => (high > low ? (value - low) / (high - low) : 0.5) };
}

export function makeBar(title) {
  const canvas = make("canvas", { role: "img", "aria-label": `colour bar: ${title}` });
  const node = make("div", { class: "scale" }, make("div", { class: "title" }, title), canvas);
  const draw = ({ low, high, share }, ink) => {
    const pane = prepare(canvas, ink);
    if (!pane) return;
    pane.ctx.clearRect(0, 0, pane.width, pane.height);
    drawColourBar(pane.ctx, { left: 4, right: 18, top: 8, bottom: pane.height - 8 }, ticks(low, high, 5), share, ink, "");
  };
  return { node, draw };
}

// The table in one sentence, for those who cannot see the picture.
export function tableInWords(table, scale) {
  return table.map((row, a) => `row ${LETTERS[a]}: ${row.map((value) => number(value, scale)).join(", ")}`).join("; ");
}
