/* The equation of the current stop in symbols, with its number and what it says. */

import { html } from "./dom.js";
import { formula, formulas } from "./formulas.js";

/** Return a column of equations: one block for each step. A mistake that is known stands in place of its right line. */
export function equationColumn(steps, mistake = null) {
  return steps.map((step) => {
    const wrong = mistake && step.planted;
    const line = wrong ? [formula([mistake.line])] : formulas(step.symbols);
    const says = wrong ? `Here ${mistake.title}.` : [step.says, ...step.remarks].join(" ");
    return html("div", { class: wrong ? "equation planted" : "equation" },
      html("div", { class: "symbols" },
        html("span", { class: "formulas" }, ...line),
        step.equation ? html("span", { class: "number-of" }, `(${step.equation})`) : null),
      html("p", { class: "says" }, says));
  });
}

/** Return the columns of a stop, each with a heading if there are two; `absent` says where there is no such step. */
export function columnsOf(stop, names, write, level, absent = false) {
  return stop.columns.map((steps, i) => {
    const named = stop.columns.length > 1 && (steps.length || absent);
    const heading = named ? html(`h${level}`, { class: "backend" }, names[i]) : null;
    const written = steps.length ? write(steps) : absent ? [html("p", { class: "says" }, `${names[i]} has no such step.`)] : [];
    return html("div", { class: "column" }, heading, ...written);
  });
}
