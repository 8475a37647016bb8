// What every explorer draws with: colours, ticks, canvases, page elements, and the clock from key press to picture.

// cividis at 17 equal steps; colours in between are mixed linearly.
export const CIVIDIS = [
  [0, 34, 78], [0, 46, 106], [26, 56, 111], [50, 67, 109], [67, 78, 108], [83, 90, 109], [97, 101, 111],
  [111, 112, 115], [125, 124, 120], [140, 136, 120], [155, 148, 118], [171, 160, 114], [188, 174, 108],
  [205, 187, 99], [222, 201, 88], [240, 216, 70], [254, 232, 56],
];
export const FONT = "12px system-ui, sans-serif";

// Okabe and Ito's palette, as in plots.py, with a lighter blue and white on dark pages. Dashes tell lines apart in grey.
const LINES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000"];
const LINES_ON_DARK = ["#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#FFFFFF"];

export function lineColours(ink) {
  const [r, g, b] = ink.match(/[\d.]+/g).map(Number);
  return r + g + b > 382 ? LINES_ON_DARK : LINES;
}

export function colour(t) {
  const x = Math.min(Math.max(t, 0), 1) * (CIVIDIS.length - 1), i = Math.min(Math.floor(x), CIVIDIS.length - 2);
  return CIVIDIS[i].map((c, k) => Math.round(c + (x - i) * (CIVIDIS[i + 1][k] - c)));
}
export const css = ([r, g, b]) => `rgb(${r},${g},${b})`;

// All the colours, mixed from one place to another.
export function scale(ctx, from, to) {
  const colours = ctx.createLinearGradient(...from, ...to);
  CIVIDIS.forEach((one, i) => colours.addColorStop(i / (CIVIDIS.length - 1), css(one)));
  return colours;
}

// Round numbers inside [low, high], about n of them.
export function ticks(low, high, n) {
  if (!(high > low)) return [low];
  const rough = (high - low) / n, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}
// The ends of a list of any length: Math.min(...values) takes some ten thousand at most.
export const ends = (values) => values.reduce(([low, high], x) => [Math.min(low, x), Math.max(high, x)], [Infinity, -Infinity]);
export const short = (x) => String(Number(x.toPrecision(3)));

// Fit a canvas to its box and the screen's pixels; null while it has no size.
export function prepare(canvas, ink) {
  const width = canvas.clientWidth, height = canvas.clientHeight, ratio = window.devicePixelRatio || 1;
  if (!width || !height) return null;
  const wide = Math.round(width * ratio), high = Math.round(height * ratio), ctx = canvas.getContext("2d");
  if (canvas.width === wide && canvas.height === high) ctx.reset(); // quicker than a new size
  else Object.assign(canvas, { width: wide, height: high });
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.font = FONT;
  ctx.lineJoin = "round";
  return { ctx, width, height, ink };
}

export function text(ctx, string, x, y, ink, align = "center", baseline = "middle") {
  ctx.textAlign = align;
  ctx.textBaseline = baseline;
  ctx.fillStyle = ink;
  ctx.fillText(string, x, y);
}

export function line(ctx, points, style, width) {
  ctx.beginPath();
  points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.strokeStyle = style;
  ctx.lineWidth = width;
  ctx.stroke();
}

export function turnedText(ctx, string, x, y, ink) {
  ctx.save();
  ctx.translate(x, y);
  ctx.rotate(-Math.PI / 2);
  text(ctx, string, 0, 0, ink);
  ctx.restore();
}

export function fillBand(ctx, lower, upper, style) {
  ctx.beginPath();
  [...lower, ...[...upper].reverse()].forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.globalAlpha = 0.22;
  ctx.fillStyle = style;
  ctx.fill();
  ctx.globalAlpha = 1;
}

export function strokeHatch(ctx) {
  ctx.strokeStyle = "rgba(0,0,0,0.75)";
  ctx.lineWidth = 2;
  ctx.stroke();
  ctx.strokeStyle = "white";
  ctx.lineWidth = 0.9;
  ctx.stroke();
}

export function drawColourBar(ctx, bar, levels, share, ink, label) {
  const size = bar.bottom - bar.top;
  ctx.fillStyle = scale(ctx, [0, bar.bottom], [0, bar.top]);
  ctx.fillRect(bar.left, bar.top, bar.right - bar.left, size);
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1;
  ctx.strokeRect(bar.left, bar.top, bar.right - bar.left, size);
  for (const level of levels) {
    const y = bar.bottom - share(level) * size;
    line(ctx, [[bar.right, y], [bar.right + 4, y]], ink, 1);
    text(ctx, short(level), bar.right + 7, y, ink, "left");
  }
  text(ctx, label, (bar.left + bar.right) / 2 + 4, bar.top - 10, ink);
}

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
// JupyterLab takes arrow keys for itself unless the focused element says no.
export const focusable = { "data-lm-suppress-shortcuts": "true" };

// Returns act(event, change): make the change, and note in data-redraw-ms the time from the event to the end of the frame
// that shows its effect, and in data-redraws how often that was.
export function redrawClock(root) {
  return (event, change) => {
    change();
    requestAnimationFrame(() => {
      const painted = new MessageChannel();
      painted.port1.onmessage = () => {
        root.dataset.redrawMs = (performance.now() - event.timeStamp).toFixed(2);
        root.dataset.redraws = Number(root.dataset.redraws || 0) + 1;
      };
      painted.port2.postMessage(null);
    });
  };
}

// Calls paint when the element changes its size or the page its theme; returns what ends that.
export function whenLooksChange(element, paint) {
  const resized = new ResizeObserver(paint);
  resized.observe(element);
  const themed = new MutationObserver(paint); // pages switch themes by an attribute of html or body
  for (const node of [document.documentElement, document.body]) themed.observe(node, { attributes: true });
  return () => {
    resized.disconnect();
    themed.disconnect();
  };
}
