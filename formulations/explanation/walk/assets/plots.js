/* Two small pictures: σ and σ′ with a neuron's z, and the history of the cost. */

import { html, svg } from "./dom.js";
import { full, shown, symbol } from "./format.js";

const [WIDTH, HEIGHT, MARGIN] = [320, 150, 20];

/** Draw σ and σ′ of an activation, with the point of a neuron, which can be moved if `live`. */
export function saturationPlot(curve, neuron, live) {
  const [low, high] = [curve.z[0], curve.z.at(-1)];
  const values = [...curve.a, ...curve.slope];
  const [bottom, top] = [Math.min(...values, 0), Math.max(...values)];
  const across = (z) => MARGIN + ((WIDTH - 2 * MARGIN) * (Math.min(high, Math.max(low, z)) - low)) / (high - low);
  const up = (value) => HEIGHT - MARGIN - ((HEIGHT - 2 * MARGIN) * (value - bottom)) / (top - bottom || 1);
  const line = (ys) => pathThrough(curve.z.map((z, i) => [across(z), up(ys[i])]));
  const label = `${curve.activation} and its derivative`;
  const picture = svg("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": label });
  picture.append(
    svg("line", { class: "axis", x1: MARGIN, x2: WIDTH - MARGIN, y1: up(0), y2: up(0) }),
    svg("line", { class: "axis", x1: across(0), x2: across(0), y1: MARGIN, y2: HEIGHT - MARGIN }),
    svg("text", { class: "tick", x: MARGIN, y: HEIGHT - 6 }, shown(low, 2)),
    svg("text", { class: "tick", x: WIDTH - MARGIN, y: HEIGHT - 6, "text-anchor": "end" }, shown(high, 2)),
    svg("text", { class: "tick", x: across(0), y: HEIGHT - 6, "text-anchor": "middle" }, "z = 0"),
    svg("path", { class: "curve value", d: line(curve.a) }),
    svg("path", { class: "curve slope", d: line(curve.slope) }),
  );
  if (!neuron) return picture;
  const x = across(neuron.z);
  const range = {
    "aria-valuenow": neuron.z,
    "aria-valuemin": Math.min(low, neuron.z),
    "aria-valuemax": Math.max(high, neuron.z),
    "aria-valuetext": shown(neuron.z),
    "data-move": "1",
  };
  const handle = svg("g", {
    class: `handle${live ? " movable" : ""}`, role: live ? "slider" : "img", tabindex: 0,
    "data-name": "z", "data-layer": neuron.layer, "data-index": neuron.n, "data-value": neuron.z,
    "data-plot": ((high - low) / (WIDTH - 2 * MARGIN)).toString(),
    "aria-label": `weighted input of neuron ${neuron.n} in layer ${neuron.layer}`,
    ...(live ? range : {}),
  },
    svg("title", {}, `${symbol("z", neuron.layer, [neuron.n])} = ${full(neuron.z)}`),
    svg("line", { class: "at", x1: x, x2: x, y1: MARGIN - 8, y2: HEIGHT - MARGIN }),
    svg("rect", { class: "grip", x: x - 16, y: MARGIN - 16, width: 32, height: HEIGHT - MARGIN }),
    svg("circle", { class: "point value", cx: x, cy: up(neuron.a), r: 5 }),
    svg("rect", { class: "point slope", x: x - 4.5, y: up(neuron.slope) - 4.5, width: 9, height: 9 }),
  );
  picture.append(handle);
  return picture;
}

/** Draw the costs of the last scenes as a line. */
export function historyPlot(costs) {
  const height = 120;
  const [bottom, top] = [Math.min(...costs, 0), Math.max(...costs)];
  const across = (i) => MARGIN + ((WIDTH - 2 * MARGIN) * i) / Math.max(1, costs.length - 1);
  const up = (cost) => height - MARGIN - ((height - 2 * MARGIN) * (cost - bottom)) / (top - bottom || 1);
  const points = costs.map((cost, i) => [across(i), up(cost)]);
  const label = `The cost after each change: from ${shown(costs[0])} to ${shown(costs.at(-1))}`;
  return html("figure", { class: "history" },
    svg("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label },
      svg("line", { class: "axis", x1: MARGIN, x2: WIDTH - MARGIN, y1: up(0), y2: up(0) }),
      svg("path", { class: "curve cost", d: pathThrough(points) }),
      ...points.map(([cx, cy]) => svg("circle", { class: "point cost", cx, cy, r: costs.length > 40 ? 1.5 : 3 })),
      svg("text", { class: "tick", x: MARGIN, y: 12 }, shown(costs[0])),
      svg("text", { class: "tick", x: WIDTH - MARGIN, y: 12, "text-anchor": "end" }, shown(costs.at(-1)))),
    html("figcaption", {}, "The cost after each change."));
}

function pathThrough(points) {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");
}
