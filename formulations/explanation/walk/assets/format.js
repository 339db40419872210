/* Numbers and symbols as text. The page formats numbers and never computes one. */

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";

const SYMBOLS = {
  a: "a", z: "z", slope: "σ′", Sigma: "Σ′", delta: "δ", w: "w", b: "b", dw: "∂C/∂w", db: "∂C/∂b", y: "y",
};

const MEANINGS = {
  a: "activation", z: "weighted input", slope: "slope σ′(z)", Sigma: "entry of Σ′", delta: "error", w: "weight",
  b: "bias", dw: "derivative by the weight", db: "derivative by the bias", y: "target",
};

/** Write a number with so many significant digits, as the library does: 0.0005313, −1.25, 3·10⁻⁷; a dash for none. */
export function shown(number, digits = 4) {
  if (typeof number !== "number") return "–";
  if (number === 0) return "0";
  const [mantissa, power] = number.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  const text = exponent < -4 || exponent > 5
    ? `${trimmed(mantissa)}·10${exponent < 0 ? "⁻" : ""}${raised(Math.abs(exponent))}`
    : trimmed(number.toFixed(Math.max(0, digits - 1 - exponent)));
  return text.replace("-", "−");
}

/** Write all digits of a number. */
export function full(number) {
  return typeof number === "number" ? String(number).replace(/-/g, "−") : "not a finite number";
}

/** Write a symbol such as δ²₃, w³₁₂ or ∂C/∂w²₁₁. */
export function symbol(name, layer, index = []) {
  const separator = index.some((each) => each > 9) ? "," : "";
  const place = `${raised(layer)}${index.map(lowered).join(separator)}`;
  if (name === "slope") return `σ′(z${place})`;
  if (name === "Sigma") return `Σ′(z${raised(layer)})${index.map(lowered).join(separator)}`;
  return `${SYMBOLS[name] ?? name}${place}`;
}

/** Say what a symbol stands for. */
export function meaning(name, layer, index) {
  const what = MEANINGS[name] ?? name;
  if (index.length === 2 && name !== "Sigma") {
    return `${what} from neuron ${index[1]} of layer ${layer - 1} to neuron ${index[0]} of layer ${layer}`;
  }
  return name === "a" && layer === 1 ? `input ${index[0]}` : `${what} of neuron ${index.join(", ")} in layer ${layer}`;
}

function trimmed(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function raised(number) {
  return [...String(number ?? "")].map((digit) => SUPERSCRIPTS[digit] ?? digit).join("");
}

function lowered(number) {
  return [...String(number)].map((digit) => SUBSCRIPTS[digit] ?? digit).join("");
}
