/* A walk through backpropagation: three linked panes that show one document of the library, step by step. */

import { html, setAttributes } from "./dom.js";
import { columnsOf, equationColumn } from "./equations.js";
import { full, meaning, shown, symbol } from "./format.js";
import { hasMathML } from "./formulas.js";
import { light, sameTarget, targetOf } from "./lights.js";
import { matrixRows } from "./matrices.js";
import { movedBy, NetworkPane } from "./network.js";
import { Panel } from "./panel.js";
import { Requests } from "./requests.js";
import { computedAt, stopsOf } from "./stops.js";
import { Timeline } from "./timeline.js";

const FORMAT = "formulations-walk";
const VERSION = 1;
const REQUIRED = [
  "title", "notes", "scene", "columns", "cost", "layers", "program", "drawn", "why", "stages", "curves", "fault", "verdict",
  "choices",
];

const COLOURS = [["step", "the step"], ["a", "a"], ["z", "z"], ["slope", "σ′"], ["delta", "δ"]];
const ENTRY_ORDER = ["b", "db", "a", "z", "slope", "delta", "y"];
const UNITS_PER_PIXEL = 0.01;
const CONTROLS = "input, select, textarea, [role=tab], summary, pre, .network [data-entry], .matrix td, .handle";
let walks = 0;

/**
 * Show a walk in an element.
 *
 * `request` sends a body to the library and returns a promise of a document; null if nothing can be changed. `source`
 * is {text, live, command}. Returns the walk, or null if the document is refused.
 */
export function walk(root, { document: first, request = null, source = {} }) {
  const refusal = refusalOf(first);
  if (refusal) {
    refuse(root, refusal);
    return null;
  }
  try {
    return new Walk(root, first, request, source);
  } catch (problem) {
    console.error(problem);
    refuse(root, damaged(`it cannot be drawn (${problem.message})`));
    return null;
  }
}

/** Show one sentence instead of a walk. */
export function refuse(root, sentence) {
  root.classList.add("walk");
  root.replaceChildren(html("p", { role: "alert", class: "alert" }, sentence));
}

/** Say what is wrong with a damaged document, and what to do. */
export function damaged(what) {
  return `The document of this page is damaged: ${what}; write the page again with “formulations explain --html”.`;
}

/** Say why a document cannot be shown, and what to do; null if it can. */
function refusalOf(found) {
  if (found?.format !== FORMAT) {
    const got = JSON.stringify(found?.format ?? null);
    return `This page shows documents of the format ${FORMAT}, and got ${got}; `
      + "write one with “formulations explain --json”.";
  }
  if (found.version !== VERSION) {
    const got = JSON.stringify(found.version);
    return `This page shows version ${VERSION} of the format ${FORMAT}, and got version ${got}; `
      + "write the page and its document with the same version of formulations.";
  }
  const missing = REQUIRED.filter((key) => found[key] === undefined);
  return missing.length ? damaged(`it has no ${missing.join(", ")}`) : null;
}

class Walk {
  constructor(root, first, request, source) {
    root.classList.add("walk");
    // On a page of its own the walk has the first heading, and the keys that are pressed on the page are its.
    this.alone = root.matches("body > main");
    walks += 1;
    // Several walks on one page differ in their ids, and their parts in their names.
    const which = walks > 1 ? ` of walk ${walks}` : "";
    Object.assign(this, { root, source, level: this.alone ? 1 : 2, id: `walk-${walks}`, which });
    this.scenes = [first];
    this.at = 0;
    this.colour = "step";
    this.numbersOf = 1;
    this.hovered = this.pinned = null;
    this.line = -1;
    this.session = 0;
    this.asked = null;
    this.requests = request && this.requestsTo(request);
    this.edit = (change) => this.ask(() => ({ scene: { ...this.document.scene, ...change }, action: null }));
    this.act = (action) => this.ask(() => ({ scene: this.document.scene, action }));
    this.neuron = firstNeuron(first);
    this.build();
    this.redraw();
    this.listen();
  }

  requestsTo(send) {
    return new Requests(send, {
      shown: (answer, work) => this.answered(answer, work), failed: (message) => this.fail(message),
      busy: (whether) => this.root.setAttribute("aria-busy", String(whether)),
    });
  }

  /** From now on send requests, to another source; what is shown stays. */
  enliven(request, source) {
    this.source = source;
    this.requests = this.requestsTo(request);
    const footer = this.root.querySelector("[data-source]");
    footer.dataset.source = source.live ? "live" : "static";
    footer.textContent = source.text;
    this.redraw();
  }

  get document() {
    return this.scenes.at(-1);
  }

  /** Whether the library can compute the scene anew; a network drawn by layers has nothing to drag. */
  get changeable() {
    return Boolean(this.requests) && this.document.scene.weights !== null;
  }

  get live() {
    return this.changeable && this.document.drawn === "neurons";
  }

  get stop() {
    return this.stops[this.at];
  }

  build() {
    const heading = (text, depth) => html(`h${Math.min(6, this.level + depth)}`, {}, text);
    this.title = heading("", 0);
    const eyebrow = html("p", { class: "eyebrow" }, "Backpropagation, step by step");
    this.notes = html("p", { class: "notes" });
    this.alert = html("p", { role: "alert", class: "alert", hidden: true });
    this.timeline = new Timeline((at) => this.go(at), this.which);
    this.network = new NetworkPane();
    this.panel = new Panel(this, this.id, this.which);
    this.undoButton = html("button", { type: "button", "data-do": "undo", onclick: () => this.undo() }, "Undo");
    this.resetButton = html("button", { type: "button", "data-do": "reset", onclick: () => this.reset() }, "Reset");
    this.colours = this.choices("Colour by", "colour", COLOURS);
    this.sources = html("div", { class: "sources" });
    this.stage = heading("", 1);
    this.where = html("p", { class: "where", "aria-live": "polite" });
    this.equations = html("div", { class: "columns" });
    this.numbers = html("div", { class: "columns" });
    this.next = html("button", { type: "button", "data-do": "line", onclick: () => this.nextLine() }, "Next line");
    const pane = (name, label, ...children) =>
      html("section", { class: "pane", "data-pane": name, "aria-label": `${label}${this.which}` }, ...children);
    const again = html("span", { class: "again" }, this.undoButton, this.resetButton);
    const text = this.source.text || "These numbers were computed when the page was written.";
    this.root.replaceChildren(html("div", { class: "page" },
      html("div", { class: "masthead" }, eyebrow, this.title, this.notes, this.alert), this.timeline.element,
      pane("network", "Network", html("div", { class: "tools" }, this.colours, this.sources, again), this.network.element),
      pane("equation", "Equation", html("div", { class: "pane-head" }, this.stage, this.where), this.equations),
      pane("matrices", "Matrices", html("div", { class: "lines" }, this.next), this.numbers),
      this.panel.element,
      this.panel.certificate,
      html("p", { class: "source", "data-source": this.source.live ? "live" : "static" }, text),
    ));
    if (!hasMathML()) this.warn("This browser does not show MathML, so symbols are written as text.");
  }

  /** Return the radio buttons that set a property of the walk. */
  choices(legend, property, options) {
    const radio = ([value, label]) => {
      const onchange = () => {
        this[property] = value;
        this.redraw();
      };
      const checked = value === this[property];
      const name = `${this.id}-${property}`;
      const input = html("input", { type: "radio", name, value, [`data-${property.toLowerCase()}`]: value, onchange });
      input.checked = checked;
      return html("label", {}, input, html("span", {}, label));
    };
    return html("fieldset", { class: "colours" }, html("legend", {}, legend), ...options.map(radio));
  }

  /** With a mistake planted the columns differ: let the reader choose whose numbers the graph shows. */
  drawSources() {
    const { columns, program, drawn } = this.document;
    const labels = program && drawn === "neurons" ? columns : [];
    const key = labels.join("\n");
    if (key === this.sourcesKey) return;
    this.sourcesKey = key;
    this.numbersOf = 1;
    this.sources.hidden = !labels.length;
    const options = labels.map((label, i) => [i, label]);
    this.sources.replaceChildren(...(labels.length ? [this.choices("Numbers of", "numbersOf", options)] : []));
  }

  /** The layers whose numbers the graph shows: of the program with a mistake, if the reader wants them. */
  get layers() {
    const { layers, program } = this.document;
    return program && this.numbersOf ? program.layers : layers;
  }

  warn(text) {
    this.root.querySelector(".masthead").append(html("p", { class: "warning", role: "note" }, text));
  }

  redraw() {
    const { document: shownDocument } = this;
    this.stops = stopsOf(shownDocument);
    this.at = Math.min(this.at, this.stops.length - 1);
    this.computed = computedAt(this.stops);
    this.colours.hidden = shownDocument.drawn === "layers";
    this.drawSources();
    this.title.textContent = shownDocument.title;
    this.notes.textContent = shownDocument.notes.join(" ");
    this.undoButton.disabled = this.resetButton.disabled = this.scenes.length < 2;
    this.undoButton.parentNode.hidden = !this.requests;
    if (!entryExists(shownDocument, this.neuron)) this.neuron = firstNeuron(shownDocument);
    this.drawStop();
    this.panel.draw({
      document: shownDocument,
      layers: this.layers,
      live: this.live,
      changeable: this.changeable,
      neuron: this.neuron,
      costs: this.costs(),
    });
    this.relight();
  }

  /** Draw another document, in which what is pointed at may have other numbers. */
  drawChanged() {
    for (const target of [this.hovered, this.pinned]) delete target?.value;
    this.redraw();
  }

  drawStop() {
    const { stop, document: shownDocument } = this;
    const known = this.panel.isKnown();
    this.timeline.draw(this.stops, this.at, known);
    this.stage.textContent = stop.title;
    this.where.textContent = `Step ${this.at + 1} of ${this.stops.length}`;
    const names = shownDocument.columns ?? shownDocument.scene.backends;
    const depth = Math.min(6, this.level + 2);
    const count = stop.columns.length > 1 ? "two" : "one";
    this.equations.className = this.numbers.className = `columns ${count}`;
    const mistake = known ? shownDocument.fault : null;
    const inSymbols = (steps) => equationColumn(steps, mistake);
    this.equations.replaceChildren(...columnsOf(stop, names, inSymbols, depth, true));
    const inNumbers = (steps) => steps.map((step) => {
      const planted = step.planted && known ? " planted" : "";
      return html("div", { class: `step${planted}` }, ...matrixRows(step, shownDocument, known));
    });
    this.numbers.replaceChildren(...columnsOf(stop, names, inNumbers, depth));
    this.rows = [...this.numbers.querySelectorAll(".one-of-many")];
    this.next.parentNode.hidden = this.rows.length < 2;
    const has = (what) => stop.columns.flat().some((step) => step[what]);
    this.next.textContent = has("paths") ? "Next path" : has("moves") ? "Next move" : "Next line";
    this.line = -1;
    // What scrolls must be in the order of focus.
    for (const line of this.equations.querySelectorAll(".formulas")) {
      const wide = line.scrollWidth > line.clientWidth;
      if (wide) setAttributes(line, { tabindex: 0, role: "group", "aria-label": "Formula" });
    }
    this.drawNetwork();
  }

  drawNetwork() {
    const phase = this.stop.phase === "error" || this.stop.phase === "gradient" ? "delta" : "a";
    const width = Math.max(240, Math.floor(this.network.element.clientWidth) || 720);
    const row = this.rows[this.line];
    const moved = row?.target.costs ? row.target : null;
    this.network.draw({
      document: this.document,
      layers: this.layers,
      stop: this.stop,
      live: this.live,
      neuron: this.neuron,
      focusKey: this.focusKey,
      width,
      moved,
      colour: this.colour === "step" ? phase : this.colour,
      known: (name, layer) => (this.computed.get(`${name} ${layer}`) ?? 0) <= this.at,
    });
    const entries = this.entries();
    if (entries.length && !entries.some((entry) => entry.tabIndex === 0)) entries[0].tabIndex = 0;
    this.tell();
  }

  /** The number and the stop of the first step of which something holds, or null. */
  find(holds) {
    const at = this.stops.findIndex((stop) => stop.columns.flat().some(holds));
    return at < 0 ? null : { at, stop: this.stops[at] };
  }

  go(at) {
    this.at = at;
    // What was clicked stays lit from step to step; a line is one of its step.
    if (this.line >= 0) this.pinned = null;
    this.drawStop();
    this.relight();
  }

  // Pointing

  relight() {
    light(this.root, this.hovered ?? this.pinned, this.stop);
    this.tell();
  }

  point(target) {
    if (sameTarget(target, this.hovered)) return;
    this.hovered = target;
    this.relight();
  }

  /** Say under the graph what is pointed at, with all its digits. */
  tell() {
    const target = this.hovered ?? this.pinned;
    const { readout } = this.network;
    const shownDocument = this.document;
    if (shownDocument.drawn === "layers") return void (readout.textContent = shownDocument.why);
    if (!target || target.path || !target.index.length) {
      return void readout.replaceChildren(...this.hint());
    }
    const { name, layer, index } = target;
    if (target.costs) {
      const costs = target.costs.map(({ by, cost }) => `by ${shown(by)}: C = ${full(cost)}`).join(" · ");
      return void readout.replaceChildren(html("b", {}, symbol(name, layer, index)), ` moved ${costs}`);
    }
    const value = target.value ?? this.entryAt(target)?.dataset.value;
    const number = value === undefined ? "" : ` = ${full(Number(value))}`;
    readout.replaceChildren(html("b", {}, symbol(name, layer, index)), `${number} · ${meaning(name, layer, index)}`);
  }

  /** An element that shows this entry and knows its value, or null. */
  entryAt({ name, layer, index }) {
    const place = `[data-name="${name}"][data-layer="${layer}"][data-index="${index.join(",")}"]`;
    return this.root.querySelector(`${place}[data-value]`);
  }

  hint() {
    const several = this.document.scene.X?.length > 1 ? "The graph shows the first example. " : "";
    if (this.live) return [`${several}Point at a number to see where it belongs, or drag one to change it.`];
    const { command } = this.source;
    const how = command ? ["To drag numbers, run ", html("code", {}, command), "."] : [];
    return [`${several}Point at a number to see where it belongs. `, ...how];
  }

  nextLine() {
    this.line = (this.line + 1) % this.rows.length;
    this.rows.forEach((row, i) => row.classList.toggle("here", i === this.line));
    this.pinned = this.rows[this.line].target;
    this.hovered = null;
    this.drawNetwork();
    this.relight();
  }

  chooseNeuron(value) {
    const [layer, n] = value.split(",").map(Number);
    this.neuron = { layer, n };
    this.redraw();
  }

  // Events

  listen() {
    const { root } = this;
    const targetAt = (node) => {
      const element = node instanceof Element ? node.closest(".one-of-many, [data-name][data-layer]") : null;
      const inner = element?.classList.contains("one-of-many") ? null : element;
      const target = inner ? targetOf(inner) : element?.target ?? null;
      // An entry tells its own number: others have its name, in the other column or for other examples.
      return target && inner?.matches("td, .scalar") ? { ...target, value: inner.dataset.value } : target;
    };
    root.addEventListener("pointerover", (event) => { if (!this.grip) this.point(targetAt(event.target)); });
    root.addEventListener("pointerleave", () => { if (!this.grip) this.point(null); });
    root.addEventListener("focusin", (event) => this.focused(event.target, targetAt(event.target)));
    root.addEventListener("focusout", () => this.point(null));
    root.addEventListener("click", (event) => {
      if (!event.target.closest("button, select, input, label, summary, a")) this.clicked(targetAt(event.target));
    });
    root.addEventListener("keydown", (event) => this.key(event));
    if (this.alone) {
      document.addEventListener("keydown", (event) => {
        if (event.target === document.body) this.key(event);
      });
    }
    root.addEventListener("pointerdown", (event) => this.grab(event));
    root.addEventListener("pointermove", (event) => this.drag(event));
    root.addEventListener("pointerup", (event) => this.release(event));
    root.addEventListener("pointercancel", (event) => this.release(event));
    this.observer = new ResizeObserver(() => {
      const width = this.network.element.clientWidth;
      if (width === this.width) return;
      this.width = width;
      this.drawNetwork();
      this.relight();
    });
    this.observer.observe(this.network.element);
  }

  focused(element, target) {
    // What is drawn anew during a change gets its focus back: that begins no other change.
    const begins = !this.grip && !sameTarget(target, this.focusedTarget);
    this.focusedTarget = target;
    if (begins) this.session += 1;
    if (element.matches(".network [data-entry]")) {
      this.focusKey = element.dataset.key;
      for (const entry of this.entries()) entry.tabIndex = entry === element ? 0 : -1;
    }
    if (element.matches(":focus-visible")) this.point(target);
  }

  clicked(target) {
    if (this.dragged) return void (this.dragged = false);
    this.pinned = target && !sameTarget(target, this.pinned) ? target : null;
    if (target && target.index?.length === 1 && target.layer > 1 && this.document.drawn === "neurons") {
      this.neuron = { layer: target.layer, n: target.index[0] };
      this.redraw();
    }
    this.relight();
  }

  /** Handle a key; return whether it was one of the walk's. */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return false;
    const { target } = event;
    const element = target instanceof Element ? target : this.root;
    const done = this.keyOfEntry(event, element) || this.keyOfCell(event, element) || this.keyOfWalk(event, element);
    if (done) event.preventDefault();
    return done;
  }

  keyOfWalk(event, element) {
    if (event.key === "Escape") {
      this.pinned = null;
      this.point(null);
      this.relight();
      return true;
    }
    const typing = element.matches("input:not([type=radio]), select, textarea");
    const move = { n: "forward", p: "back" }[event.key];
    if (move && !typing) return this.timeline.step(move) || true;
    if (element.closest(CONTROLS)) return false;
    const arrow = { ArrowRight: "forward", ArrowLeft: "back", Home: "first", End: "last" }[event.key];
    if (!arrow) return false;
    this.timeline.step(arrow);
    return true;
  }

  keyOfEntry(event, element) {
    const entry = element.closest(".network [data-entry], .handle");
    if (!entry) return false;
    const size = { ArrowUp: 0.1, ArrowDown: -0.1, PageUp: 1, PageDown: -1 }[event.key];
    const sideways = entry.matches(".handle") ? { ArrowRight: 0.1, ArrowLeft: -0.1 }[event.key] : undefined;
    if (entry.dataset.move && (size ?? sideways)) {
      this.moveBy(entry, size ?? sideways);
      return true;
    }
    if (entry.matches(".handle")) return false;
    const entries = this.entries();
    const at = entries.indexOf(entry);
    const last = entries.length - 1;
    const [next, before] = [Math.min(last, at + 1), Math.max(0, at - 1)];
    const to = { ArrowRight: next, ArrowDown: next, ArrowLeft: before, ArrowUp: before, Home: 0, End: last }[event.key];
    if (to === undefined) return false;
    entries[to].focus();
    return true;
  }

  keyOfCell(event, element) {
    const cell = element.closest(".matrix td");
    if (!cell) return false;
    const line = cell.parentNode;
    const [r, c] = [line.rowIndex, cell.cellIndex];
    const to = { ArrowRight: [r, c + 1], ArrowLeft: [r, c - 1], ArrowDown: [r + 1, c], ArrowUp: [r - 1, c] }[event.key];
    if (!to) return false;
    const table = cell.closest("table");
    let next = table.rows[to[0]]?.cells[to[1]];
    if (!next && to[0] === r) {
      const tables = [...this.numbers.querySelectorAll("table")];
      const other = tables[tables.indexOf(table) + (to[1] > c ? 1 : -1)];
      next = other?.rows[Math.min(r, other.rows.length - 1)]?.cells[to[1] > c ? 0 : other.rows[0].cells.length - 1];
    }
    next?.focus();
    return true;
  }

  /** The entries of the graph in the order of the computation. */
  entries() {
    const order = (element) => {
      const { name, layer, index } = element.dataset;
      const [j, k = 0] = index.split(",").map(Number);
      const edge = name === "w" || name === "dw";
      return [Number(layer) * 2 + (edge ? 0 : 1), j, k, edge ? ["w", "dw"].indexOf(name) : ENTRY_ORDER.indexOf(name)];
    };
    const compare = (one, other) => {
      const [first, second] = [order(one), order(other)];
      return first.map((part, i) => part - second[i]).find(Boolean) ?? 0;
    };
    return [...this.network.element.querySelectorAll("[data-entry]")].sort(compare);
  }

  // Changing

  grab(event) {
    const element = event.target instanceof Element ? event.target.closest("[data-move]") : null;
    if (!this.live || !element || event.button > 0) return;
    // A finger on an edge scrolls the page.
    if (event.pointerType === "touch" && element.dataset.edge) return;
    const picture = element.ownerSVGElement;
    const target = targetOf(element);
    const entry = element.dataset.value ? element : this.entryAt(target);
    const { plot } = element.dataset;
    const scale = plot ? (Number(plot) * picture.viewBox.baseVal.width) / picture.clientWidth : UNITS_PER_PIXEL;
    this.session += 1;
    const { clientX: x, clientY: y, pointerId: id } = event;
    this.grip = { ...target, value: Number(entry.dataset.value), x, y, scale, plot: Boolean(plot), id };
    this.root.setPointerCapture(event.pointerId);
    this.root.classList.add("gripping");
    entry.focus({ preventScroll: true });
    this.point(target);
    event.preventDefault();
  }

  drag(event) {
    const { grip } = this;
    if (!grip || event.pointerId !== grip.id) return;
    const [dx, dy] = [event.clientX - grip.x, grip.plot ? 0 : grip.y - event.clientY];
    if (!grip.moved && Math.abs(dx) + Math.abs(dy) < 3) return;
    grip.moved = true;
    const scale = event.shiftKey ? grip.scale / 10 : grip.scale;
    this.move(grip, Number((grip.value + (dx + dy) * scale).toFixed(3)));
  }

  release(event) {
    if (!this.grip || event.pointerId !== this.grip.id) return;
    this.dragged = Boolean(this.grip.moved);
    this.grip = null;
    this.root.classList.remove("gripping");
  }

  moveBy(entry, change) {
    const target = targetOf(entry);
    const before = this.asked && sameTarget(this.asked.target, target) ? this.asked.value : Number(entry.dataset.value);
    this.move(target, Number((before + change).toFixed(10)));
  }

  move({ name, layer, index }, value) {
    const quantity = movedBy(name, layer);
    if (!quantity || !this.live) return;
    this.asked = { target: { name, layer, index }, value };
    const key = `${quantity} ${layer} ${index} ${this.session}`;
    this.ask(() => ({ scene: this.document.scene, action: { name: "move", quantity, layer, index, value } }), key);
  }

  /** Ask the library; works of the same key make one scene to undo. */
  ask(body, key = null) {
    if (!this.requests) return;
    this.requests.ask({ body: () => ({ version: VERSION, ...body() }), key });
  }

  answered(answer, work) {
    const refusal = refusalOf(answer);
    if (refusal) return void this.fail(refusal);
    this.alert.hidden = true;
    if (!this.requests.waiting) this.asked = null;
    const before = this.stops[this.at];
    if (work.key && work.key === this.lastKey && this.scenes.length > 1) this.scenes[this.scenes.length - 1] = answer;
    else this.scenes.push(answer);
    this.lastKey = work.key;
    const found = stopsOf(answer).findIndex((stop) => stop.title === before.title && stop.mark === before.mark);
    if (found >= 0) this.at = found;
    this.drawChanged();
  }

  fail(message) {
    this.asked = null;
    this.alert.textContent = message.charAt(0).toUpperCase() + message.slice(1);
    this.alert.hidden = false;
    this.redraw();
  }

  undo() {
    if (this.scenes.length > 1) this.scenes.pop();
    this.lastKey = null;
    this.drawChanged();
  }

  reset() {
    this.scenes = [this.scenes[0]];
    this.lastKey = null;
    this.drawChanged();
  }

  /** The costs of the last scenes that have the same layers and the same cost. */
  costs() {
    const keyOf = ({ scene }) => JSON.stringify([scene.sizes, scene.cost]);
    const key = keyOf(this.document);
    let start = this.scenes.length;
    while (start > 0 && keyOf(this.scenes[start - 1]) === key) start -= 1;
    return this.scenes.slice(start).map(({ cost }) => cost);
  }
}

function firstNeuron(shownDocument) {
  return shownDocument.layers.length > 1 ? { layer: 2, n: 1 } : null;
}

function entryExists(shownDocument, neuron) {
  return Boolean(neuron && shownDocument.scene.sizes[neuron.layer - 1] >= neuron.n && neuron.layer > 1);
}
