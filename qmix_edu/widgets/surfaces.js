// Q_tot over the plane of two utilities: heat map, surface and the joint actions on them. A scene holds the utilities
// q1 and q2 of the grid, Q_tot there as z[i][j] with its low and high, the cells where it falls (findViolations), the
// points { q1, q2, value, name, greedy, ringed } (name null: a small dot), and the axes' names, long and short.

import { colour, css, drawColourBar, line, short, strokeHatch, text, ticks } from "./drawing.js";

export const GRID = 41;

// The utilities from the least to the greatest of these, and a quarter beyond on either side.
export function axisAround(all) {
  const low = Math.min(...all), high = Math.max(...all);
  const margin = high > low ? 0.25 * (high - low) : 1;
  const step = (high - low + 2 * margin) / (GRID - 1);
  return Array.from({ length: GRID }, (_, i) => low - margin + i * step);
}

// A cell is marked if Q_tot falls along one of its edges.
export function findViolations(z) {
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

function marker(ctx, { x, y, greedy, ringed, label }) {
  ctx.beginPath();
  if (greedy) {
    for (let k = 0; k < 10; k++) {
      const r = k % 2 ? 4 : 9.5, angle = (k * Math.PI) / 5 - Math.PI / 2;
      ctx.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
    }
    ctx.closePath();
  } else ctx.arc(x, y, label === null ? 2.5 : 4.5, 0, 2 * Math.PI);
  ctx.fillStyle = "white";
  ctx.fill();
  ctx.strokeStyle = "black";
  ctx.lineWidth = 1.3;
  ctx.stroke();
  if (!ringed) return;
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
  const importance = (p) => (p.greedy ? 2 : 0) + (p.ringed ? 1 : 0);
  const ranked = [...points].sort((a, b) => importance(b) - importance(a));
  for (const p of [...ranked].reverse()) marker(ctx, p);
  const taken = points.map((p) => [p.x - 5, p.y - 5, p.x + 5, p.y + 5]);
  for (const p of ranked.filter(({ label }) => label !== null)) {
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

// The points of a scene where they are drawn; three digits within the range that is drawn.
function placed({ points, low, high }, place) {
  const digits = Math.min(Math.max(2 - Math.floor(Math.log10(high - low || 1)), 0), 20);
  return points.map((p) => {
    const [x, y] = place(p.q1, p.q2, p.value);
    return { ...p, x, y, label: p.name === null ? null : `${p.name}: ${Number(p.value.toFixed(digits))}` };
  });
}

// Marching squares: the pieces of the line z = level, in grid coordinates.
function isoLine(z, level) {
  const pieces = [];
  for (let i = 0; i + 1 < GRID; i++) {
    for (let j = 0; j + 1 < GRID; j++) {
      const above = (z[i][j] >= level) + (z[i + 1][j] >= level) + (z[i + 1][j + 1] >= level) + (z[i][j + 1] >= level);
      if (above === 0 || above === 4) continue;
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

export function drawMap(pane, scene) {
  const { ctx, width, height, ink } = pane, { z, q1, q2, cells, low, high, axes } = scene;
  const box = { left: 56, top: 10, right: width - 74, bottom: height - 40 };
  const spanX = box.right - box.left, spanY = box.bottom - box.top, last = GRID - 1;
  const atGrid = ([i, j]) => [box.left + (i / last) * spanX, box.bottom - (j / last) * spanY];
  const share = (value) => (value - low) / (high - low || 1);
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

  const levels = ticks(low, high, 10);
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
  text(ctx, axes[0], (box.left + box.right) / 2, height - 9, ink);
  ctx.save();
  ctx.translate(9, (box.top + box.bottom) / 2);
  ctx.rotate(-Math.PI / 2);
  text(ctx, axes[1], 0, 0, ink);
  ctx.restore();
  drawColourBar(ctx, { left: box.right + 14, right: box.right + 28, top: box.top + 16, bottom: box.bottom }, levels, share, ink, "Q_tot");
  drawPoints(pane, placed(scene, (x, y) => atGrid([index(q1, x), index(q2, y)])));
}

export function drawSurface(pane, scene, view) {
  const { ctx, width, height, ink } = pane, { z, q1, q2, cells, low, high } = scene, last = GRID - 1;
  const turn = (view.azimuth * Math.PI) / 180, tilt = (view.elevation * Math.PI) / 180;
  const [sinA, cosA, sinE, cosE] = [Math.sin(turn), Math.cos(turn), Math.sin(tilt), Math.cos(tilt)];
  const scale = Math.min(width / 1.75, height / 1.55);
  const share = (value) => (value - low) / (high - low || 1);
  const unit = (axis, q) => (q - axis[0]) / (axis[last] - axis[0]);
  // x, y, h in [0, 1]: along Q_1, along Q_2 and up
  const project = (x, y, h) => {
    const across = (x - 0.5) * cosA - (y - 0.5) * sinA, away = (x - 0.5) * sinA + (y - 0.5) * cosA;
    return [width / 2 + scale * across + 8, height / 2 - scale * (away * sinE + (h - 0.5) * 0.8 * cosE)];
  };
  ctx.clearRect(0, 0, width, height);
  drawBox(ctx, scene, project, { sinA, cosA, ink, share, unit });

  // From far to near, so that what is near covers what is far.
  const order = (forward) => Array.from({ length: last }, (_, i) => (forward ? last - 1 - i : i));
  const corner = z.map((row, i) => row.map((value, j) => project(i / last, j / last, share(value))));
  for (const i of order(sinA > 0)) {
    for (const j of order(cosA > 0)) {
      const [a, b, c, d] = [corner[i][j], corner[i + 1][j], corner[i + 1][j + 1], corner[i][j + 1]];
      const mean = (z[i][j] + z[i + 1][j] + z[i + 1][j + 1] + z[i][j + 1]) / 4;
      const x = (a[0] + c[0]) / 2, y = (a[1] + c[1]) / 2;
      ctx.beginPath();
      // A little larger than the cell, so that no seam shows; four strokes of every cell would take twice the time.
      for (const [px, py] of [a, b, c, d]) ctx.lineTo(px + 0.4 * Math.sign(px - x), py + 0.4 * Math.sign(py - y));
      ctx.fillStyle = css(colour(share(mean)));
      ctx.fill();
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
  const points = placed(scene, (x, y, value) => project(unit(q1, x), unit(q2, y), share(value)));
  for (const point of points.filter(({ label }) => label !== null)) {
    const foot = project(unit(q1, point.q1), unit(q2, point.q2), 0);
    ctx.setLineDash([3, 3]);
    line(ctx, [foot, [point.x, point.y]], "rgba(255,255,255,0.9)", 2.4);
    line(ctx, [foot, [point.x, point.y]], "rgba(0,0,0,0.8)", 1.2);
    ctx.setLineDash([]);
  }
  drawPoints(pane, points);
}

// The floor with its two axes along the near edges, and the scale of Q_tot at the left.
function drawBox(ctx, { q1, q2, low, high, shortAxes }, project, { sinA, cosA, ink, share, unit }) {
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
  text(ctx, shortAxes[0], ...project(0.5, nearY + 0.22 * out(nearY), 0), ink);
  text(ctx, shortAxes[1], ...project(nearX + 0.22 * out(nearX), 0.5, 0), ink);
  const [x, y] = [[0, 0], [1, 0], [1, 1], [0, 1]].sort((a, b) => project(...a, 0)[0] - project(...b, 0)[0])[0];
  line(ctx, [project(x, y, 0), project(x, y, 1)], ink, 0.8);
  for (const level of ticks(low, high, 5)) {
    const [px, py] = project(x, y, share(level));
    line(ctx, [[px - 4, py], [px, py]], ink, 1);
    text(ctx, short(level), px - 7, py, ink, "right");
  }
  const [px, py] = project(x, y, 1);
  text(ctx, "Q_tot", px, py - 12, ink);
}

// Arrow keys and dragging turn and tilt the surface on this canvas; paint draws it again.
export function turnable(canvas, view, act, paint) {
  const rotate = (turn, tilt) => {
    view.azimuth = (view.azimuth + turn + 360) % 360;
    view.elevation = Math.min(Math.max(view.elevation + tilt, 5), 85);
    paint();
  };
  const turns = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5] };
  canvas.addEventListener("keydown", (event) => {
    if (!turns[event.key]) return;
    event.preventDefault();
    act(event, () => rotate(...turns[event.key]));
  });
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) rotate(0.5 * event.movementX, 0.5 * event.movementY);
  });
}
