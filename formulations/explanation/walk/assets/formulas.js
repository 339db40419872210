/* Formulas in MathML, or as plain text in a browser that has none. */

import { html } from "./dom.js";

const MATHML = "http://www.w3.org/1998/Math/MathML";
const ELEMENTS = new Set(
  ["mrow", "mi", "mn", "mo", "msup", "msub", "msubsup", "mfrac", "mtable", "mtr", "mtd", "mtext", "mspace", "mover",
    "munder", "munderover", "mstyle"],
);
const ATTRIBUTES = new Set(["stretchy", "form", "width", "accent", "fence", "lspace", "rspace", "mathvariant"]);
const OPENING = new Set(["(", "‖"]);
const RELATIONS = new Set(["=", "≈"]);

/** Whether the browser draws MathML. */
export function hasMathML() {
  return "MathMLElement" in window;
}

/** Return pieces as formulas, in parts that begin at relation signs: a browser breaks no formula into lines. */
export function formulas(pieces) {
  const parts = [[]];
  for (const piece of pieces) {
    if (RELATIONS.has(piece.operator) && parts.at(-1).length > 1) parts.push([]);
    parts.at(-1).push(piece);
  }
  return parts.map(formula);
}

/** Return pieces as one formula. */
export function formula(pieces) {
  if (!hasMathML()) return html("span", { class: "formula" }, ...pieces.flatMap(plain));
  const math = mathml("math");
  const open = [mathml("mrow")];
  math.append(open[0]);
  let before = null;
  for (const piece of pieces) {
    const sign = piece.operator;
    if (OPENING.has(sign)) {
      const group = mathml("mrow");
      open.at(-1).append(group);
      open.push(group);
    } else if (!sign && before && !before.operator) {
      open.at(-1).append(mathml("mspace", { width: "0.15em" }));
    }
    open.at(-1).append(labelled(piece));
    if ((sign === ")" || sign === "‖²") && open.length > 1) open.pop();
    before = piece;
  }
  return html("span", { class: "formula" }, math);
}

function labelled(piece) {
  const row = mathml("mrow");
  row.append(...imported(piece));
  if (!piece.operator) {
    for (const [name, value] of Object.entries(labels(piece))) row.setAttribute(name, value);
  }
  return row.childNodes.length === 1 && piece.operator ? row.firstChild : row;
}

/** The data attributes by which an operand is lit. */
export function labels(piece) {
  const found = {};
  if (piece.name) found["data-name"] = piece.name;
  if (piece.layer !== null && piece.layer !== undefined) found["data-layer"] = piece.layer;
  if (piece.index?.length) found["data-index"] = piece.index.join(",");
  return found;
}

function plain(piece) {
  if (piece.operator) return [` ${piece.operator} `];
  return [html("span", labels(piece), piece.symbol), " "];
}

function mathml(tag, attributes = {}) {
  const element = document.createElementNS(MATHML, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Read the MathML of a piece and copy only elements and attributes of mathematics. */
function imported(piece) {
  const source = `<math xmlns="${MATHML}">${piece.mathml ?? ""}</math>`;
  const parsed = new DOMParser().parseFromString(source, "application/xml");
  const copies = parsed.querySelector("parsererror") ? [] : [...parsed.documentElement.childNodes].flatMap(copied);
  if (copies.length) return copies;
  const text = mathml("mtext");
  text.textContent = piece.operator ?? piece.symbol ?? "";
  return [text];
}

function copied(node) {
  if (node.nodeType === Node.TEXT_NODE) return [document.createTextNode(node.data)];
  if (node.nodeType !== Node.ELEMENT_NODE || !ELEMENTS.has(node.localName)) return [];
  const element = mathml(node.localName);
  for (const { name, value } of node.attributes) if (ATTRIBUTES.has(name)) element.setAttribute(name, value);
  element.append(...[...node.childNodes].flatMap(copied));
  return [element];
}
