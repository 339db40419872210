/* What the reader can change: the scene, a neuron's z, a step of gradient descent, a planted mistake. */

import { html } from "./dom.js";
import { formula } from "./formulas.js";
import { shown, symbol } from "./format.js";
import { entryOf } from "./network.js";
import { historyPlot, saturationPlot } from "./plots.js";

const TABS = [["saturate", "Saturation"], ["descend", "Descent"], ["break", "Break it"], ["change", "Change"]];
const SURPRISE = "";

/** The tabs beside the network. `walk` has scene, edit, act and the source. */
export class Panel {
  constructor(walk, id, which) {
    this.walk = walk;
    this.guess = null;
    this.hidden = null;
    this.tabs = TABS.map(([name, label], i) => html("button", {
      type: "button", role: "tab", id: `${id}-tab-${name}`, "data-tab": name, "aria-controls": `${id}-panel-${name}`,
      onclick: () => this.choose(i), onkeydown: (event) => this.onKey(event, i),
    }, label));
    this.panels = TABS.map(([name]) => html("div", {
      role: "tabpanel", id: `${id}-panel-${name}`, "aria-labelledby": `${id}-tab-${name}`, "data-panel": name,
    }));
    this.element = html("section", { class: "panel", "aria-label": `Try it${which}` },
      html("div", { role: "tablist", "aria-label": "Try it" }, ...this.tabs), ...this.panels);
    this.choose(0);
  }

  choose(at) {
    this.tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === at));
      tab.tabIndex = i === at ? 0 : -1;
      this.panels[i].hidden = i !== at;
    });
  }

  onKey(event, i) {
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: TABS.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const at = (to + TABS.length) % TABS.length;
    this.choose(at);
    this.tabs[at].focus();
  }

  /** Draw a document. `neuron` is {layer, n}; `costs` are those of the last scenes. */
  draw({ document: shownDocument, live, neuron, costs }) {
    const key = JSON.stringify(shownDocument.fault);
    if (key !== this.faultKey) this.guess = this.revealed = null;
    this.faultKey = key;
    if (!shownDocument.fault) this.hidden = null;
    const drawings = [
      () => this.saturation(shownDocument, neuron, live), () => this.descent(costs, live),
      () => this.mistakes(shownDocument, live), () => this.changes(shownDocument, live),
    ];
    this.panels.forEach((panel, i) => keepingFocus(panel, () => {
      panel.replaceChildren(...drawings[i](), ...(live || i === 0 ? [] : [this.fixed(shownDocument)]));
    }));
  }

  fixed(shownDocument) {
    const { command } = this.walk.source;
    if (shownDocument.drawn === "layers") return html("p", { class: "fixed" }, shownDocument.why);
    return html("p", { class: "fixed" }, "The numbers of this page are fixed. ",
      ...(command ? ["To drag them, run ", html("code", {}, command), "."] : []));
  }

  saturation(shownDocument, neuron, live) {
    const values = neuron && shownDocument.layers[neuron.layer - 1];
    const curve = shownDocument.curves.find((each) => each.activation === values?.activation) ?? shownDocument.curves[0];
    if (!values || !curve) return [];
    const [z, a, slope, delta] = ["z", "a", "slope", "delta"].map((name) => entryOf(values, name, neuron.n));
    const index = [neuron.n];
    const point = z === null || slope === null ? null : { layer: neuron.layer, n: neuron.n, z, a, slope };
    const term = (name, value, kind) => html("span", { class: `term ${kind}`, "data-name": name, "data-layer": neuron.layer, "data-index": neuron.n },
      html("i", {}, symbol(name, neuron.layer, index)), ` = ${shown(value)}`);
    const pick = html("select", { "aria-label": "Neuron", "data-choose": "neuron", onchange: (event) => this.walk.chooseNeuron(event.target.value) },
      ...shownDocument.layers.slice(1).flatMap(({ layer, z: rows }) => (rows ?? []).map((_, i) =>
        option(`${layer},${i + 1}`, `neuron ${i + 1} of layer ${layer}`, layer === neuron.layer && i + 1 === neuron.n))));
    const picked = html("p", { class: "pick" }, pick);
    if (!curve.z) return [picked, html("p", {}, curve.why)];
    return [
      values.z ? picked : null,
      saturationPlot(curve, point, live),
      point && html("p", { class: "terms" }, term("a", a, "value"), term("slope", slope, "slope"), term("delta", delta, "")),
      html("p", { class: "note" }, live && point ? "Drag z outwards until σ′ vanishes, and watch δ die: " : "Where σ′(z) is almost 0, δ is too: ",
        "the neuron is saturated, and learns slowly."),
    ].filter(Boolean);
  }

  descent(costs, live) {
    const rate = html("input", { type: "number", step: "any", min: "0", value: this.rate ?? "1", "data-choose": "rate",
      oninput: (event) => { this.rate = event.target.value; } });
    const step = html("button", { type: "button", class: "primary", "data-do": "step", onclick: () => this.walk.act({ name: "step", rate: Number(rate.value) }) },
      "Take a step");
    return [
      fields(live, html("div", { class: "line" }, html("label", {}, "learning rate ", rate), step)),
      html("p", { class: "note" }, "C = ", html("b", { class: "cost-now" }, shown(costs.at(-1))),
        costs.length > 1 ? `, from ${shown(costs.at(-2))} before the last change.` : "."),
      historyPlot(costs),
    ];
  }

  mistakes(shownDocument, live) {
    const { faults } = shownDocument.choices;
    const { fault } = shownDocument;
    return fault ? this.planted(shownDocument, live) : [this.plantForm(faults, live)];
  }

  plantForm(faults, live) {
    const layer = html("select", { "data-choose": "layer" });
    const mistake = html("select", { "data-choose": "mistake", onchange: () => fillLayers() },
      option(SURPRISE, "one hidden from me"),
      ...faults.map(({ name, title, equation, layers, why }) =>
        html("option", { value: name, disabled: !layers.length, title: why }, `(${equation}) ${title}`)));
    const layerLine = html("label", {}, "in layer ", layer);
    const fillLayers = () => {
      const chosen = faults.find(({ name }) => name === mistake.value);
      layer.replaceChildren(...(chosen?.layers ?? []).map((each) => option(each, String(each))));
      layerLine.hidden = !chosen;
    };
    fillLayers();
    return fields(live,
      html("p", { class: "note" }, "Plant a mistake in the program, walk through its steps, and find it: in one line the right side does not give the left."),
      html("label", { class: "wide" }, "Mistake ", mistake),
      html("div", { class: "line" }, layerLine,
        html("button", { type: "button", class: "primary", "data-do": "plant", onclick: () => this.plant(faults, mistake.value, layer.value) }, "Plant it")));
  }

  plant(faults, name, layer) {
    if (name !== SURPRISE) {
      this.hidden = null;
      this.walk.edit({ fault: { name, layer: Number(layer) } });
      return;
    }
    const possible = faults.flatMap((fault) => fault.layers.map((each) => ({ name: fault.name, layer: each })));
    this.hidden = possible[Math.floor(Math.random() * possible.length)];
    this.walk.edit({ fault: this.hidden });
  }

  /** Whether the planted mistake is known to the reader. */
  isKnown() {
    return !this.hidden || Boolean(this.revealed) || Boolean(this.guess?.right);
  }

  planted(shownDocument, live) {
    const { fault, verdict } = shownDocument;
    const parts = [];
    if (this.isKnown()) {
      parts.push(html("p", { class: "planted-what" }, html("b", {}, `(${fault.equation}), layer ${fault.layer}: `), fault.title, "."));
      if (fault.line) parts.push(html("p", { class: "planted-line" }, formula([fault.line])));
    } else {
      parts.push(html("p", { class: "note" }, "A mistake is planted in “your program”. In one line the right side does not give the left. Which?"));
      parts.push(this.guessForm(shownDocument));
    }
    if (this.guess) parts.push(html("p", { class: `told ${this.guess.right ? "right" : "wrong"}`, role: "status" }, this.guess.text));
    if (this.revealed && verdict) {
      parts.push(html("p", { class: "verdict", role: "status" }, html("b", {}, "certify: "), verdict.says),
        html("details", {}, html("summary", {}, "The certificate"), html("pre", { tabindex: 0 }, verdict.text)));
    }
    parts.push(html("div", { class: "line" },
      verdict && !this.revealed ? html("button", { type: "button", "data-do": "reveal", onclick: () => this.reveal() }, "Let certify say") : null,
      html("button", { type: "button", "data-do": "remove", disabled: !live, onclick: () => this.walk.edit({ fault: null }) }, "Remove it")));
    return parts;
  }

  guessForm(shownDocument) {
    const { choices, layers } = shownDocument;
    const equations = [...new Set(choices.faults.flatMap(({ equation }) => equation.split(", ")))].sort();
    const kept = this.guess?.guessed ?? {};
    const select = (name, options) => html("select", { "data-choose": `guess-${name}` },
      ...options.map(([value, text]) => option(value, text, String(kept[name]) === String(value))));
    const layer = select("layer", layers.slice(1).map((each) => [each.layer, String(each.layer)]));
    const equation = select("equation", equations.map((each) => [each, `(${each})`]));
    const mistake = select("mistake", choices.faults.filter((each) => each.layers.length).map(({ name, title }) => [name, title]));
    return html("div", { class: "guess" },
      html("div", { class: "line" }, html("label", {}, "layer ", layer), html("label", {}, "equation ", equation)),
      html("label", { class: "wide" }, "mistake ", mistake),
      html("div", { class: "line" }, html("button", {
        type: "button", class: "primary", "data-do": "guess",
        onclick: () => this.judge(shownDocument.fault, { layer: layer.value, equation: equation.value, mistake: mistake.value }),
      }, "Guess")));
  }

  judge(fault, guessed) {
    const checks = [
      ["the layer", guessed.layer === String(fault.layer)], ["the equation", guessed.equation === fault.equation],
      ["the mistake", guessed.mistake === fault.name],
    ];
    const wrong = checks.filter(([, right]) => !right).map(([name]) => name);
    const right = !wrong.length;
    const good = checks.filter(([, each]) => each).map(([name]) => name);
    const text = right ? "Right: you found it."
      : `Not yet: ${wrong.join(" and ")} ${wrong.length > 1 ? "are" : "is"} wrong${good.length ? `, ${good.join(" and ")} ${good.length > 1 ? "are" : "is"} right` : ""}.`;
    this.guess = { guessed, right, text };
    this.walk.redraw();
  }

  reveal() {
    this.revealed = true;
    this.walk.redraw();
  }

  changes(shownDocument, live) {
    const { scene, choices } = shownDocument;
    const { edit, act } = this.walk;
    const layers = scene.activations.map((activation, i) => {
      const several = Array.isArray(activation) || !choices.activations.includes(activation);
      return html("label", {}, `layer ${i + 2} `, html("select", { "data-choose": `activation-${i + 2}`, onchange: (event) => {
        edit({ activations: scene.activations.map((each, at) => (at === i ? event.target.value : each)) });
      } }, several ? option("", Array.isArray(activation) ? "several" : activation, true) : null,
      ...choices.activations.map((each) => option(each, each, each === activation))));
    });
    const cost = html("select", { "data-choose": "cost", "aria-label": "cost", onchange: (event) => edit({ cost: event.target.value }) },
      ...choices.costs.map((each) => option(each, each, each === scene.cost)));
    const backend = (i) => html("select", { "data-choose": `backend-${i + 1}`, "aria-label": i ? "right backend" : "left backend", onchange: (event) => {
      const names = [...scene.backends];
      if (event.target.value) names[i] = event.target.value;
      else names.splice(i, 1);
      edit({ backends: names });
    } }, i ? option("", "none", scene.backends.length < 2) : null,
    ...choices.backends.map(({ name, why }) =>
      html("option", { value: name, disabled: Boolean(why), title: why, selected: scene.backends[i] === name }, why ? `${name} (refuses)` : name)));
    const sizes = html("input", { type: "text", value: this.sizes ?? scene.sizes.join("-"), size: 8, "data-choose": "sizes", oninput: (event) => { this.sizes = event.target.value; } });
    const seed = html("input", { type: "number", step: 1, value: this.seed ?? "1", "data-choose": "seed", oninput: (event) => { this.seed = event.target.value; } });
    const draw = html("button", { type: "button", "data-do": "random", onclick: () => {
      act({ name: "random", seed: Math.trunc(Number(seed.value)), sizes: sizes.value.split(/[^\d]+/).filter(Boolean).map(Number) });
      this.sizes = undefined;
    } }, "Draw");
    return [fields(live,
      choice("Backends", backend(0), backend(1)), choice("Activations", ...layers), choice("Cost", cost),
      choice("Random", html("label", {}, "layers ", sizes), html("label", {}, "seed ", seed), draw))];
  }
}

function option(value, text, selected = false) {
  return html("option", { value, selected }, text);
}

function choice(legend, ...controls) {
  return html("div", { class: "choice" }, html("span", { class: "legend" }, legend), html("div", { class: "line" }, ...controls));
}

function fields(live, ...children) {
  return html("fieldset", { disabled: !live }, ...children);
}

/** Draw a part anew, and return the focus to the control that had it. */
function keepingFocus(part, draw) {
  const active = part.contains(document.activeElement) ? document.activeElement : null;
  const path = active && ["data-choose", "data-do", "data-move"].find((name) => active.hasAttribute(name));
  const selector = path && `[${path}="${active.getAttribute(path)}"]`;
  draw();
  if (selector) part.querySelector(selector)?.focus({ preventScroll: true });
}
