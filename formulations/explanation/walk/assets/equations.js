/* The equation of the current stop in symbols, with its number and what it says. */

import { html } from "./dom.js";
import { formulas } from "./formulas.js";

/** Return a column of equations: one block for each step. */
export function equationColumn(steps) {
  return steps.map((step) => html("div", { class: "equation" },
    html("div", { class: "symbols" },
      html("span", { class: "formulas" }, ...formulas(step.symbols)),
      step.equation ? html("span", { class: "number-of" }, `(${step.equation})`) : null),
    html("p", { class: "says" }, [step.says, ...step.remarks].join(" "))));
}

/** Return the columns of a stop, each with a heading if there are two. */
export function columnsOf(stop, names, write, level, absent = "") {
  return stop.columns.map((steps, i) => {
    const named = stop.columns.length > 1 && (steps.length || absent);
    const heading = named ? html(`h${level}`, { class: "backend" }, names[i]) : null;
    const written = steps.length ? write(steps) : [html("p", { class: "says" }, absent)];
    return html("div", { class: "column" }, heading, ...written);
  });
}
