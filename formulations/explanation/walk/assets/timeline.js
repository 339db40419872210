/* The timeline of the walk, its buttons and its keys. */

import { focusedIn, html } from "./dom.js";

const PHASES = {
  forward: "Forward pass",
  cost: "Cost",
  method: "Method",
  error: "Backward pass",
  gradient: "Gradient",
  other: "Step by step",
};

const MOVES = [
  ["first", "⇤", "First step"],
  ["back", "←", "Step back"],
  ["forward", "→", "Step forward"],
  ["last", "⇥", "Last step"],
];

/** The row of stops, grouped by phase, with buttons. */
export class Timeline {
  constructor(go, which) {
    this.go = go;
    this.buttons = MOVES.map(([name, sign, label]) => html("button", {
      type: "button", "data-do": name, "aria-label": label, title: label, onclick: () => this.step(name),
    }, sign));
    this.track = html("ol", { class: "track" });
    this.element = html("nav", { class: "timeline", "aria-label": `Steps${which}` },
      html("div", { class: "moves" }, ...this.buttons), this.track);
    this.stops = [];
    this.at = 0;
  }

  /** Move by the name of a button; return whether the stop changed. */
  step(name) {
    const last = this.stops.length - 1;
    const to = { first: 0, back: Math.max(0, this.at - 1), forward: Math.min(last, this.at + 1), last }[name];
    if (to === this.at) return false;
    this.go(to);
    return true;
  }

  /** Draw the stops, with a mark on that of a planted mistake and on those it makes wrong, once they are known. */
  draw(stops, at, known = false) {
    const same = this.stops.map(labelOf).join("\n") === stops.map(labelOf).join("\n");
    this.stops = stops;
    this.at = at;
    if (!same) this.build();
    this.track.querySelectorAll("[data-step]").forEach((button, i) => {
      if (i === at) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
      button.classList.toggle("passed", i < at);
      const has = (what) => known && stops[i].columns.flat().some((step) => step[what]);
      const [planted, reached] = [has("planted"), has("effect")];
      button.classList.toggle("planted", planted);
      button.classList.toggle("reached", reached);
      const mark = planted ? ": the mistake" : reached ? ": wrong through the mistake" : "";
      button.title = `${labelOf(stops[i])}${mark}`;
      button.setAttribute("aria-label", button.title);
      button.tabIndex = i === at ? 0 : -1;
    });
    const [first, back, forward, last] = this.buttons;
    for (const button of [first, back]) setDisabled(button, at === 0);
    for (const button of [forward, last]) setDisabled(button, at === stops.length - 1);
    const current = this.track.querySelector("[aria-current]");
    // Only the current stop is in the order of focus; the arrow keys move both.
    if (focusedIn(this.track)) current?.focus({ preventScroll: true });
    if (current) {
      const [{ left, width }, around] = [current.getBoundingClientRect(), this.track.getBoundingClientRect()];
      this.track.scrollLeft += left + width / 2 - around.left - around.width / 2;
    }
  }

  build() {
    const groups = [];
    this.stops.forEach((stop, i) => {
      if (groups.at(-1)?.phase !== stop.phase) groups.push({ phase: stop.phase, stops: [] });
      groups.at(-1).stops.push(this.buttonOf(stop, i));
    });
    this.track.replaceChildren(...groups.map(({ phase, stops }) => html("li", { class: "phase" },
      html("span", { class: "phase-name" }, PHASES[phase] ?? phase),
      html("ol", {}, ...stops.map((stop) => html("li", {}, stop))))));
  }

  buttonOf(stop, i) {
    return html("button", {
      type: "button", "data-step": i, onclick: () => this.go(i),
    },
    html("span", { class: stop.mark ? "mark" : "mark words" }, stop.mark || stop.title),
    html("span", { class: "equation-number" }, stop.equations[0] ?? ""));
  }
}

/** A button at an end stays in the order of focus: it is marked, not disabled. */
function setDisabled(button, disabled) {
  button.setAttribute("aria-disabled", String(disabled));
}

function labelOf(stop) {
  const numbers = stop.equations.length ? ` (${stop.equations.join(", ")})` : "";
  return `${stop.title}${stop.mark ? `: ${stop.mark}` : ""}${numbers}`;
}
