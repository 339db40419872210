/* The equation of the current stop in numbers: matrices in brackets, whose entries can be pointed at. */

import { html } from "./dom.js";
import { formula, labels } from "./formulas.js";
import { full, meaning, shown, symbol } from "./format.js";
import { leftOf } from "./stops.js";

const SIGNS = { "⊙": "⊙", "·": "·", "+": "+", "−": "−", "=": "=", "≈": "≈", "/": "/" };
const FENCES = { "(": "fence opening", ")": "fence closing", "‖": "fence norm", "‖²": "fence norm" };
const RELATION = new Set(["=", "≈"]);
const BINDING = new Set(["(", "‖", "⊙", "·", "+", "−", "/", "σ", "½", "ln"]);
const CLOSING = new Set([")", "‖²"]);
const FORMS = { Sigma: "slope" };

/** Return the rows of a step in numbers. */
export function matrixRows(step, shownDocument, known = false) {
  const rows = step.rows.map((row, i) => rowOf(step, row, i, shownDocument));
  if (step.multiplications) {
    rows.push(html("p", { class: "count" }, `${step.multiplications.toLocaleString("en")} multiplications`));
  }
  if (step.planted && known && step.expected) {
    const left = leftOf(step);
    const right = { ...left, value: step.expected };
    rows.push(
      html("p", { class: "count" }, "The right line would give, from the same numbers:"),
      html("div", { class: "row" }, html("span", { class: "part" }, matrix(right))),
    );
  }
  if (step.effect && known) rows.push(html("p", { class: "effect" }, step.effect));
  if (!step.rows.length) return [html("p", { class: "count" }, "This step is not written in numbers.")];
  return rows;
}

function rowOf(step, row, i, shownDocument) {
  const parts = [html("span", { class: "part" }, inSymbols(row[0]))];
  let group = null;
  row.slice(1).forEach((piece, at) => {
    const before = row[at];
    if (RELATION.has(piece.operator)) {
      if (at > 0) parts.push(html("span", { class: "part" }));
      parts.at(-1).append(sign(piece));
      return;
    }
    // No line ends with an operator, or begins with a closing parenthesis.
    if (!group || !(CLOSING.has(piece.operator) || BINDING.has(before.operator))) {
      group = html("span", { class: "bound" });
      parts.at(-1).append(group);
    }
    if (piece.kind === "scalar" && before.kind === "scalar") group.append(html("span", { class: "sign" }, "·"));
    group.append(inNumbers(piece, before, shownDocument));
  });
  const target = rowTarget(step, row, i);
  if (!target) return html("div", { class: "row" }, ...parts);
  const element = html("div", { class: "row one-of-many", tabindex: -1, role: "group", "data-line": i }, ...parts);
  element.target = target;
  return element;
}

/** What a row of components lights up: its path, or the component on its left. */
function rowTarget(step, row, i) {
  if (step.paths?.[i]) return { path: step.paths[i].neurons, name: "path", layer: 0, index: [] };
  const move = step.moves?.[i];
  if (move) return { name: move.name, layer: move.layer, index: move.index, costs: move.costs };
  const [left] = row;
  const named = left.name && left.index?.length && left.index.every(Number.isInteger);
  return named && step.rows.length > 1 ? { name: left.name, layer: left.layer, index: left.index } : null;
}

function inSymbols(piece) {
  return html("span", { class: "left" }, formula([piece]));
}

function inNumbers(piece, before, shownDocument) {
  if (piece.operator) return sign(piece);
  if (!piece.value) return piece.axes?.length === 2 ? shape(piece, shownDocument) : inSymbols(piece);
  return piece.kind === "scalar" ? scalar(piece, before) : matrix(piece);
}

function sign(piece) {
  const { operator } = piece;
  if (FENCES[operator]) {
    const fence = html("span", { class: FENCES[operator], role: "img", "aria-label": operator });
    return operator === "‖²" ? html("span", { class: "raised" }, fence, html("sup", {}, "2")) : fence;
  }
  if (SIGNS[operator]) return html("span", { class: "sign" }, SIGNS[operator]);
  return html("span", { class: "sign" }, formula([piece]));
}

function scalar(piece, before) {
  const number = piece.value[0][0];
  const bracketed = number < 0 && before && !RELATION.has(before.operator) && before.operator !== "(";
  const written = shown(number, Math.max(4, piece.digits ?? 4));
  const text = bracketed ? `(${written})` : written;
  const title = `${piece.symbol || "number"} = ${full(number)}`;
  return html("span", { class: "scalar", ...labels(piece), "data-value": number, title }, text);
}

function matrix(piece) {
  const [rows, columns] = [piece.value.length, piece.value[0].length];
  const kind = { diagonal: "a diagonal matrix", blocks: "a matrix" }[piece.kind] ?? "a matrix";
  const label = `${piece.symbol}, ${kind} of ${rows} by ${columns}`;
  const table = html("table", { class: `matrix ${piece.kind}`, "aria-label": label });
  table.append(html("tbody", {}, ...piece.value.map((line, r) => html("tr", {},
    ...line.map((number, c) => entry(piece, number, r, c, r + c === 0))))));
  const caption = html("span", { class: "under" }, formula([{ ...piece, index: [] }]));
  return html("span", { class: "framed" }, html("span", { class: "scroll" }, table), caption);
}

function entry(piece, number, r, c, first) {
  const places = placesOf(piece, r, c);
  const name = nameOf(piece, r, c);
  const index = indexOf(piece, places);
  const zero = number === 0 && piece.kind === "diagonal" && r !== c;
  const cell = html("td", {
    tabindex: first ? 0 : -1, "data-name": name, "data-layer": piece.layer ?? "", "data-index": index.join(","),
    "data-row": r + 1, "data-value": number, class: zero ? "zero" : null,
  }, shown(number));
  cell.places = places;
  const label = zero ? "zero, as each activation depends on its own z alone" : meaning(name, piece.layer, index);
  const titled = piece.name && piece.layer ? `${symbol(name, piece.layer, index)} = ` : "";
  cell.title = `${titled}${full(number)}`;
  if (piece.name && piece.layer) cell.setAttribute("aria-description", label);
  return cell;
}

/** The layer and the number of the neuron of the row and of the column; null for one of examples. */
function placesOf(piece, r, c) {
  const [down, across] = piece.axes ?? [];
  return [down?.neurons ? [down.neurons, r + 1] : null, across?.neurons ? [across.neurons, c + 1] : null];
}

function nameOf(piece, r, c) {
  if (piece.kind === "diagonal" && r === c) return FORMS[piece.name] ?? piece.name;
  return piece.name;
}

/** The index of an entry as in the book: w³ is indexed by its row, then its column, even when transposed. */
function indexOf(piece, [row, column]) {
  if (!row || !column) return [(row ?? column ?? [0, 1])[1]];
  if (piece.kind === "diagonal" && row[1] === column[1]) return [row[1]];
  return piece.transposed ? [column[1], row[1]] : [row[1], column[1]];
}

/** A matrix of a network drawn by layer: a block of its proportions, with its shape. */
function shape(piece, shownDocument) {
  const { scene } = shownDocument;
  const size = (axis) => (axis.neurons ? scene.sizes[axis.neurons - 1] : axis.examples ?? 1);
  const [rows, columns] = piece.axes.map(size);
  const scale = (n) => Math.round(14 + 76 * Math.sqrt(n / Math.max(rows, columns, 1)));
  const style = `width: ${scale(columns)}px; height: ${scale(rows)}px`;
  const block = html("span", { class: `shape ${piece.kind}`, style, ...labels(piece) });
  const under = html("span", { class: "under" }, formula([piece]), html("small", {}, `${rows} × ${columns}`));
  return html("span", { class: "framed" }, block, under);
}
