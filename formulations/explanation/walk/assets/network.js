/* The network as a graph: neurons with their numbers, edges by the sign and size of their weights. */

import { html, setAttributes, svg, Sheet } from "./dom.js";
import { full, meaning, shown, symbol } from "./format.js";
import { leftOf } from "./stops.js";

const PILL = { width: 190, height: 46, pitch: 78, target: 84 };
const DOT = { width: 50, height: 50, pitch: 62, target: 58 };
const INPUT_WIDTH = 92;
const GROUPS = ["heads", "edges", "flows", "labels", "nodes"];
const HEAD = 46;
const LEAST_GAP = 76;
const LABEL_WIDTH = 48;
const SHARES = Array.from({ length: 9 }, (_, i) => i / 8);

/** What a reader may move, by the name of what is shown: the quantity of the action. */
const QUANTITIES = { w: "w", b: "b", z: "z", y: "y" };

/** Return the quantity that an entry moves, or null. */
export function movedBy(name, layer) {
  return name === "a" ? (layer === 1 ? "x" : null) : QUANTITIES[name] ?? null;
}

/** The pane of the network. */
export class NetworkPane {
  constructor() {
    this.sheet = new Sheet();
    this.kept = new Map();
    this.drawing = svg("svg", { class: "graph", role: "group" });
    this.groups = GROUPS.map((name) => svg("g", { class: name }));
    this.drawing.append(...this.groups);
    this.readout = html("p", { class: "readout" });
    this.chips = html("p", { class: "chips" });
    this.element = html("div", { class: "network" }, this.drawing, this.chips, this.readout);
  }

  /**
   * Draw a document at a stop.
   *
   * view: {document, layers, stop, colour, live, known(name, layer), width, moved}.
   */
  draw(view) {
    const { scene } = view.document;
    this.view = view;
    this.drawing.setAttribute("aria-label", `The network, ${scene.sizes.join("-")}`);
    const byLayer = view.document.drawn === "layers";
    const plan = byLayer ? planOfLayers(scene.sizes, view.width) : planOf(scene.sizes, view.width);
    this.plan = plan;
    this.drawing.setAttribute("viewBox", `0 0 ${plan.width} ${plan.height}`);
    this.drawing.setAttribute("height", plan.height);
    this.drawing.classList.toggle("walking", activeLayer(view.stop, scene.sizes.length) !== null);
    this.drawHeads();
    if (byLayer) this.drawLayers();
    else this.drawNeurons();
    this.sheet.finish();
    this.drawChips();
  }

  /** Where neurons show one number each, write all numbers of the chosen neuron under the graph. */
  drawChips() {
    const { neuron, document: shownDocument } = this.view;
    this.chips.hidden = this.plan.full || !neuron || shownDocument.drawn === "layers";
    if (this.chips.hidden) return void this.chips.replaceChildren();
    const values = this.view.layers[neuron.layer - 1];
    const kept = new Map([...this.chips.children].map((chip) => [chip.dataset.name, chip]));
    this.chips.replaceChildren(...["b", "z", "a", "slope", "delta", "db"].map((name) => {
      const value = entryOf(values, name, neuron.n);
      const chip = kept.get(name) ?? html("span");
      chip.textContent = `${symbol(name, neuron.layer, [neuron.n])} = ${shown(value)}`;
      return setAttributes(chip, this.described(`chip ${name}`, name, neuron.layer, [neuron.n], value, "chip"));
    }));
  }

  put(group, ...rest) {
    return this.sheet.put(typeof group === "string" ? this.groups[GROUPS.indexOf(group)] : group, ...rest);
  }

  drawHeads() {
    const { document: shownDocument, stop } = this.view;
    const { sizes, activations } = shownDocument.scene;
    const { columns, width } = this.plan;
    const narrow = width < 560;
    columns.forEach((x, i) => {
      const layer = i + 1;
      const role = i === 0 ? "input" : Array.isArray(activations[i - 1]) ? "several" : activations[i - 1];
      const current = stop.layer === layer ? " current" : "";
      this.put("heads", `head ${layer}`, "text", { x, y: 15, class: `head${current}` }, `layer ${layer}`);
      this.put("heads", `role ${layer}`, "text", { x, y: 30, class: `role${current}` },
        narrow && role.length > 8 ? `${role.slice(0, 7)}…` : role);
    });
    const active = activeLayer(stop, sizes.length);
    if (active === null) return;
    const x = (columns[active - 2] + columns[active - 1]) / 2;
    const back = stop.phase === "error";
    const words = { forward: "forward →", error: "← backward" }[stop.phase] ?? "";
    const label = !narrow ? words : back ? "←" : "→";
    this.put("heads", "flow", "text", { x, y: 15, class: "direction" }, label);
  }

  drawNeurons() {
    const { document: shownDocument, layers, stop } = this.view;
    const { columns, places, full: roomy } = this.plan;
    const last = layers.length;
    this.scale = scaleOf(layers, this.view.colour);
    const heaviest = Math.max(...layers.slice(1).flatMap(({ w }) => w.flat().map(Math.abs)), 1e-300);
    const active = activeLayer(stop, last);
    for (const { layer, w, dw } of layers.slice(1)) {
      const [from, to] = [columns[layer - 2] + this.halfWidth(layer - 1), columns[layer - 1] - this.halfWidth(layer)];
      const { at, lines } = this.labelPlaces([from, to], places[layer - 2], places[layer - 1]);
      w.forEach((row, r) => row.forEach((weight, c) => {
        const ends = [from, places[layer - 2][c], to, places[layer - 1][r]];
        this.drawEdge({ layer, j: r + 1, k: c + 1, weight, ends, heaviest, active: active === layer });
        const derivative = computes(stop, "dw", layer) && dw ? dw[r][c] : null;
        this.drawWeight({ layer, j: r + 1, k: c + 1, weight, derivative, at: at[r][c], lines });
      }));
    }
    layers.forEach((values, i) => places[i].forEach((y, n) => {
      this.drawNeuron(values, n + 1, columns[i], y, roomy && i > 0);
    }));
    const x = columns[last - 1] + this.halfWidth(last) + 12;
    places[last - 1].forEach((y, n) => {
      const target = shownDocument.scene.Y[0][n];
      const place = { x: x + (roomy ? 36 : 22), y, width: roomy ? 72 : 52, anchor: "start" };
      this.drawTag("y", last, [n + 1], target, place);
    });
  }

  /** The places of weights, which stay where they are while numbers change. */
  labelPlaces(...ends) {
    const key = JSON.stringify(ends);
    if (!this.kept.has(key)) this.kept.set(key, labelPlaces(...ends));
    return this.kept.get(key);
  }

  halfWidth(layer) {
    return (layer === 1 && this.plan.full ? INPUT_WIDTH : this.plan.node.width) / 2;
  }

  drawEdge({ layer, j, k, weight, ends, heaviest, active }) {
    const [x1, y1, x2, y2] = ends;
    const d = `M${x1},${y1} L${x2},${y2}`;
    const key = `edge ${layer} ${j} ${k}`;
    const shows = { "data-edge": "1", "data-name": "w", "data-layer": layer, "data-index": `${j},${k}` };
    const width = 1 + 5 * Math.abs(weight) / heaviest;
    const moved = this.isMoved("w", layer, [j, k]) ? " moved" : "";
    const kinds = `edge ${weight < 0 ? "minus" : "plus"}${active ? " active" : ""}${moved}`;
    this.put("edges", `${key} hit`, "path", { d, class: "hit", "data-move": this.view.live ? "1" : false, ...shows });
    const style = `--width: ${width.toFixed(2)}px`;
    this.put("edges", key, "path", { d, style, ...shows, class: withLights(this, key, kinds) });
    if (!active) return;
    const back = this.view.stop.phase === "error";
    this.put("flows", `${key} flow`, "path", { d, class: back ? "flow back" : "flow" });
  }

  /** Write a weight on its edge and, at its step, its derivative; what finds no place shows when lit. */
  drawWeight({ layer, j, k, weight, derivative, at, lines }) {
    const [x, y] = at;
    const raise = derivative !== null && lines > 1 ? 7 : 0;
    this.drawTag("w", layer, [j, k], weight, { x, y: y - raise, width: 50 }, lines < 1);
    if (derivative !== null) this.drawTag("dw", layer, [j, k], derivative, { x, y: y + 7, width: 50 }, lines < 2);
  }

  /** Draw a number on its own: a weight, a bias, a target. */
  drawTag(name, layer, index, value, { x, y, width, anchor }, quiet = false) {
    const key = `${name} ${layer} ${index.join(",")}`;
    const kinds = quiet ? "tag quiet" : "tag";
    const group = this.putEntry("labels", key, name, layer, index, value, kinds);
    this.put(group, `${key} box`, "rect", { x: x - width / 2, y: y - 7.5, width, height: 15, rx: 5, class: "box" });
    const digits = this.plan.full ? { dw: 3 }[name] ?? 4 : { y: 2 }[name] ?? 3;
    // A derivative stands between the edges of others, as wide as a weight.
    const long = name === "dw" && shown(value, digits).length > 7;
    const number = shown(value, long ? 2 : digits);
    const text = name === "b" || name === "y" ? `${name} ${number}` : number;
    const kind = `number ${name}${long && number.length > 7 ? " tiny" : ""}`;
    this.put(group, `${key} text`, "text",
      { x: anchor ? x - width / 2 + 2 : x, y: y + 4, class: kind, "text-anchor": anchor ?? false }, text);
  }

  drawNeuron(values, n, x, y, roomy) {
    const { layer } = values;
    const key = `neuron ${layer} ${n}`;
    const { width, height } = this.plan.node;
    const chosen = this.chosen(values);
    const value = entryOf(values, chosen, n);
    const wide = layer === 1 && this.plan.full ? INPUT_WIDTH : width;
    const tall = layer === 1 && this.plan.full ? 32 : height;
    const current = this.view.stop.layer === layer ? " current" : "";
    const dead = value !== null && Math.abs(value) < 1e-3 * this.scale[chosen] && chosen !== "a" && chosen !== "z";
    const kinds = `neuron${value < 0 ? " minus" : " plus"}${current}${dead ? " dead" : ""}`;
    const strength = value === null ? 0 : Math.min(1, Math.abs(value) / this.scale[chosen]);
    const group = this.put("nodes", key, "g", {
      "data-neuron": "1", "data-name": chosen, "data-layer": layer, "data-index": n, role: "group",
      "aria-label": `Neuron ${n} of layer ${layer}`, style: `--strength: ${(8 + 42 * strength).toFixed(1)}%`,
      class: withLights(this, key, kinds),
    });
    this.put(group, `${key} body`, "rect", {
      x: x - wide / 2, y: y - tall / 2, width: wide, height: tall, rx: tall / 2, class: "body",
    });
    if (!roomy) {
      const name = value === null ? "a" : chosen;
      if (this.plan.full) return void this.drawPart(group, values, name, n, x, y + 4, "middle");
      this.drawPart(group, values, name, n, x, y + 4, "alone");
      return;
    }
    const left = x - wide / 2 + 15;
    this.drawPart(group, values, "a", n, left, y - 5);
    this.drawPart(group, values, "z", n, left, y + 15);
    this.drawPart(group, values, "slope", n, x + 2, y - 5);
    this.drawPart(group, values, "delta", n, x + 2, y + 15);
    const derivative = computes(this.view.stop, "db", layer) ? entryOf(values, "db", n) : null;
    const above = y - tall / 2 - 11;
    const place = { x: derivative === null ? x : x - 36, y: above, width: 70 };
    this.drawTag("b", layer, [n], entryOf(values, "b", n), place);
    if (derivative !== null) this.drawTag("db", layer, [n], derivative, { x: x + 34, y: above, width: 62 });
  }

  drawPart(group, values, name, n, x, y, how = "") {
    const { layer } = values;
    const value = entryOf(values, name, n);
    const key = `${name} ${layer} ${n}`;
    const ahead = this.view.known(name, layer) ? "" : " ahead";
    const part = this.putEntry(group, key, name, layer, [n], value, `part${ahead}`);
    const label = { slope: "σ′", delta: "δ" }[name] ?? name;
    if (how === "alone") {
      this.put(part, `${key} hit`, "rect", { x: x - 25, y: y - 25, width: 50, height: 42, rx: 20, class: "hitbox" });
      this.put(part, `${key} name`, "text", { x, y: y - 9, class: "label", "text-anchor": "middle" }, label);
      const text = shown(value, 2);
      const size = text.length > 7 ? "tiny" : "small";
      this.put(part, `${key} text`, "text", { x, y: y + 6, class: `number ${size}`, "text-anchor": "middle" }, text);
      return;
    }
    const start = how === "middle" ? x - 34 : x;
    this.put(part, `${key} hit`, "rect", { x: start - 6, y: y - 14, width: 90, height: 20, rx: 6, class: "hitbox" });
    this.put(part, `${key} name`, "text", { x: start, y, class: "label", "text-anchor": "start" }, label);
    const number = fitted(value, 4);
    this.put(part, `${key} text`, "text", { x: start + 17, y, class: `number ${number.size}`, "text-anchor": "start" },
      number.text);
  }

  /** Put an entry, with all its digits in its title. */
  putEntry(parent, key, name, layer, index, value, kinds) {
    const group = this.put(parent, key, "g", this.described(key, name, layer, index, value, kinds));
    this.put(group, `${key} title`, "title", {}, `${symbol(name, layer, index)} = ${full(value)}`);
    return group;
  }

  isMoved(name, layer, index) {
    const { moved } = this.view;
    return Boolean(moved) && moved.name === name && moved.layer === layer && String(moved.index) === String(index);
  }

  /** The attributes of an entry that can be pointed at, focused and, live, moved. */
  described(key, name, layer, index, value, kinds) {
    const { live } = this.view;
    const movable = live && value !== null && movedBy(name, layer) !== null;
    const moved = this.isMoved(name, layer, index) ? " moved" : "";
    return {
      "data-name": name, "data-layer": layer, "data-index": index.join(","), "data-entry": "1",
      "data-value": value === null ? false : value, "data-move": movable ? "1" : false,
      role: movable ? "spinbutton" : "img",
      "aria-label": `${meaning(name, layer, index)}${movable ? "" : `: ${shown(value)}`}`,
      "aria-valuenow": movable ? value : false, "aria-valuetext": movable ? shown(value) : false,
      "data-key": key, tabindex: this.view.focusKey === key ? 0 : -1,
      class: withLights(this, key, `${kinds}${movable ? " movable" : ""}${moved}`),
    };
  }

  /** The quantity that colours the neurons of a layer. */
  chosen(values) {
    const { colour } = this.view;
    return values.layer === 1 ? "a" : colour;
  }

  drawLayers() {
    const { document: shownDocument, stop } = this.view;
    const { sizes } = shownDocument.scene;
    const { columns, height } = this.plan;
    const middle = HEAD + (height - HEAD) / 2;
    const tall = sizes.map((n) => 34 + (height - HEAD - 50) * Math.sqrt(n / Math.max(...sizes)));
    const active = activeLayer(stop, sizes.length);
    columns.slice(1).forEach((x, i) => {
      const [x1, x2, h1, h2] = [columns[i] + 27, x - 27, tall[i] / 2, tall[i + 1] / 2];
      const layer = i + 2;
      this.put("edges", `band ${layer}`, "path", {
        d: `M${x1},${middle - h1} L${x2},${middle - h2} L${x2},${middle + h2} L${x1},${middle + h1} Z`,
        class: withLights(this, `band ${layer}`, `band${active === layer ? " active" : ""}`),
        "data-layer": layer,
        "data-name": "w",
      });
    });
    columns.forEach((x, i) => {
      const current = stop.layer === i + 1 ? " current" : "";
      const key = `block ${i + 1}`;
      const group = this.put("nodes", key, "g", {
        class: withLights(this, key, `block${current}`), "data-layer": i + 1, "data-name": "a", role: "img",
        "aria-label": `Layer ${i + 1}: ${sizes[i]} neurons`,
      });
      const box = { x: x - 27, y: middle - tall[i] / 2, width: 54, height: tall[i], rx: 10 };
      this.put(group, `${key} body`, "rect", { ...box, class: "body" });
      this.put(group, `${key} size`, "text", { x, y: middle + 5, class: "size" }, String(sizes[i]));
    });
  }
}

/** Write a number so that it stays within its node: the longer, the smaller. */
function fitted(value, digits) {
  const whole = shown(value, digits);
  const text = whole.length > 11 ? shown(value, digits - 1) : whole;
  return { text, size: text.length > 9 ? "tiny" : text.length > 8 ? "small" : "" };
}

/** Whether the stop computes a layer's derivatives of this name. */
function computes(stop, name, layer) {
  const lefts = stop.columns.flat().map(leftOf).filter((left) => left?.layer === layer);
  return lefts.some((left) => left.name === name || left.name === "dwb");
}

/** The layer whose edges the stop uses, or null. */
function activeLayer(stop, last) {
  if (!stop || !stop.layer) return null;
  if (stop.phase === "error") return stop.layer < last ? stop.layer + 1 : null;
  return stop.phase === "forward" || stop.phase === "gradient" ? stop.layer : null;
}

/** Where the neurons are: with four numbers each if there is space, or else with one. */
function planOf(sizes, width) {
  const most = Math.max(...sizes);
  const gapOf = (node, first) =>
    (width - first - node.width * (sizes.length - 1) - node.target) / (sizes.length - 1);
  const roomy = gapOf(PILL, INPUT_WIDTH) >= LEAST_GAP && most * PILL.pitch <= 540;
  const node = roomy ? PILL : DOT;
  const first = roomy ? INPUT_WIDTH : DOT.width;
  const gap = gapOf(node, first);
  const columns = sizes.map((_, i) => (i === 0 ? first / 2 + 1 : first + gap * i + node.width * (i - 0.5)));
  const height = HEAD + Math.max(most * node.pitch, 180) + (roomy ? 0 : 8);
  const pitch = Math.max(node.pitch, Math.min(100, 260 / most));
  const middle = HEAD + (height - HEAD) / 2 + (roomy ? 6 : 0);
  const apart = Math.min(pitch, (height - HEAD) / most);
  const places = sizes.map((n) => Array.from({ length: n }, (_, j) => middle + (j - (n - 1) / 2) * apart));
  return { width, height, columns, places, node, gap, full: roomy };
}

function planOfLayers(sizes, width) {
  const columns = sizes.map((_, i) => 30 + (i * (width - 60)) / (sizes.length - 1));
  return { width, height: 280, columns, places: [], node: DOT, gap: 0, full: false };
}

/**
 * Where the weights between two layers are written: at[j][k], and for how many lines there is space.
 *
 * Each weight stands on its edge, as near to its place in an arrangement as the weights before it allow. The first
 * arrangement in which all find a place is taken; if there is none, no line has space.
 */
function labelPlaces([from, to], sources, targets) {
  const regular = (k) => (sources.length === 1 ? 0.5 : k / (sources.length - 1));
  let first = null;
  for (const height of [29, 15]) {
    for (const margin of [34, 27]) {
      for (const arrange of arrangements(sources.length)) {
        const placed = [];
        const at = targets.map((y2, j) => sources.map((y1, k) => {
          const wanted = regular(arrange(j, k));
          const away = (share) => Math.abs(share - wanted);
          const points = [...SHARES].sort((one, other) => away(one) - away(other)).map((share) => {
            const part = margin / (to - from) + share * (1 - (2 * margin) / (to - from));
            return [from + (to - from) * part, y1 + (y2 - y1) * part];
          });
          const free = points.find((point) => !placed.some((other) => overlap(point, other, height)));
          if (free) placed.push(free);
          return free ?? points[0];
        }));
        first ??= at;
        const all = to - from > 2 * margin && placed.length === sources.length * targets.length;
        if (all) return { at, lines: height > 15 ? 2 : 1 };
      }
    }
  }
  return { at: first, lines: 0 };
}

function arrangements(count) {
  const shifts = Array.from({ length: count }, (_, shift) => shift);
  return shifts.flatMap((shift) => [(j, k) => (k + shift * j) % count, (j, k) => (count - 1 - k + shift * j) % count]);
}

function overlap([x, y], [left, top], height) {
  return Math.abs(x - left) < LABEL_WIDTH && Math.abs(y - top) < height;
}

/** Return a number of a layer's values, of the first example, or null. */
export function entryOf(values, name, n) {
  const found = values[name]?.[n - 1];
  return Array.isArray(found) ? found[0] : found ?? null;
}

/** The largest absolute value of each quantity, which colours fully. */
function scaleOf(layers) {
  return Object.fromEntries(["a", "z", "slope", "delta"].map((name) => {
    const rows = layers.slice(name === "a" ? 0 : 1).flatMap((each) => each[name] ?? []);
    const values = rows.map(([value]) => Math.abs(value));
    return [name, Math.max(...values, 1e-300)];
  }));
}

/** Keep the lights of an element that is drawn again. */
function withLights(pane, key, kinds) {
  const element = pane.sheet.elements.get(key);
  const kept = element ? ["lit", "exact", "near", "gripped"].filter((name) => element.classList.contains(name)) : [];
  return [kinds, ...kept].join(" ");
}
