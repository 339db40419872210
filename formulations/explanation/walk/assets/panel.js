/* What the reader can change: a neuron's z, a step of gradient descent, a planted mistake, the scene. */

import { focusedIn, html } from "./dom.js";
import { formula } from "./formulas.js";
import { shown, symbol } from "./format.js";
import { entryOf } from "./network.js";
import { leftOf } from "./stops.js";
import { historyPlot, saturationPlot } from "./plots.js";

const TABS = [["saturate", "Saturation"], ["descend", "Descent"], ["break", "Break it"], ["change", "Change"]];
const SURPRISE = "";
const LAYERS = /^\s*\d+(\s*[-–,\s]\s*\d+)*\s*$/;
const PLANT_IT =
  "Plant a mistake in the program, walk through its steps, and find it: in one line the right side does not give the "
  + "left.";
const FIND_IT =
  "A mistake is planted in “your program”. Walk with → through its steps below: in one line the right side does not give "
  + "the left. Which?";

/** The tabs beside the network. Of a walk they use what leads elsewhere or changes it, and its `source`. */
export class Panel {
  constructor(walk, id, which) {
    Object.assign(this, { walk, guess: null, revealed: false, hidden: null });
    this.tabs = TABS.map(([name, label], i) => html("button", {
      type: "button",
      role: "tab",
      id: `${id}-tab-${name}`,
      "data-tab": name,
      "aria-controls": `${id}-panel-${name}`,
      onclick: () => this.choose(i),
      onkeydown: (event) => this.onKey(event, i),
    }, label));
    this.panels = TABS.map(([name]) => html("div", {
      role: "tabpanel", id: `${id}-panel-${name}`, "aria-labelledby": `${id}-tab-${name}`, "data-panel": name,
    }));
    // Its lines are longer than the panel is wide.
    this.certificate = html("div", { class: "certificate", hidden: true });
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

  /** Draw a document. `layers` are those of the graph, `neuron` is {layer, n}; `costs` are those of the last scenes. */
  draw({ document: shownDocument, layers, live, changeable, neuron, costs }) {
    const key = JSON.stringify(shownDocument.fault);
    if (key !== this.faultKey) [this.guess, this.revealed] = [null, false];
    this.faultKey = key;
    if (!shownDocument.fault) this.hidden = null;
    this.drawCertificate(shownDocument);
    const drawings = [
      () => this.saturation(shownDocument, layers, neuron, live),
      () => this.descent(costs, changeable),
      () => this.mistakes(shownDocument, changeable),
      () => this.changes(shownDocument, changeable),
    ];
    this.panels.forEach((panel, i) => keepingFocus(panel, () => {
      const fixed = changeable || i === 0 ? [] : [this.fixed(shownDocument)];
      panel.replaceChildren(...drawings[i](), ...fixed);
    }));
  }

  fixed(shownDocument) {
    const { command } = this.walk.source;
    if (shownDocument.drawn === "layers") return html("p", { class: "fixed" }, shownDocument.why);
    const how = command ? ["To change them, run ", html("code", {}, command), "."] : [];
    return html("p", { class: "fixed" }, "The numbers of this page are fixed. ", ...how);
  }

  // Saturation

  saturation({ curves }, layers, neuron, live) {
    const values = neuron && layers[neuron.layer - 1];
    const curve = curves.find((each) => each.activation === values?.activation) ?? curves[0];
    if (!values || !curve) return [];
    const picked = values.z ? [html("p", {}, this.neuronPicker(layers, neuron))] : [];
    if (!curve.z) return [...picked, html("p", {}, curve.why)];
    const [z, a, slope, delta] = ["z", "a", "slope", "delta"].map((name) => entryOf(values, name, neuron.n));
    const point = z === null || slope === null ? null : { layer: neuron.layer, n: neuron.n, z, a, slope };
    const term = (name, value, kind) => html("span", {
      class: `term ${kind}`, "data-name": name, "data-layer": neuron.layer, "data-index": neuron.n,
    }, html("i", {}, symbol(name, neuron.layer, [neuron.n])), ` = ${shown(value)}`);
    const terms = point
      ? [html("p", { class: "terms" }, term("a", a, "value"), term("slope", slope, "slope"), term("delta", delta, ""))]
      : [];
    const dragging = "Drag z outwards until σ′ vanishes, and watch δ die: ";
    const cause = live && point ? dragging : "Where σ′(z) is almost 0, δ is too: ";
    return [
      ...picked,
      saturationPlot(curve, point, live),
      ...terms,
      html("p", { class: "note" }, cause, "the neuron is saturated, and learns slowly. ",
        this.linkTo((step) => isLeft(step, "delta", neuron.layer))),
    ];
  }

  neuronPicker(layers, neuron) {
    const choices = layers.slice(1).flatMap(({ layer, z }) => (z ?? []).map((_, i) => option(
      `${layer},${i + 1}`, `neuron ${i + 1} of layer ${layer}`, layer === neuron.layer && i + 1 === neuron.n,
    )));
    const onchange = (event) => this.walk.chooseNeuron(event.target.value);
    return html("select", { "aria-label": "Neuron", "data-choose": "neuron", onchange }, ...choices);
  }

  // Gradient descent

  descent(costs, live) {
    const rate = html("input", {
      type: "number", step: "any", min: "0", value: this.rate ?? "1", "data-choose": "rate",
      oninput: (event) => { this.rate = event.target.value; },
    });
    const step = action("step", "Take a step", () => this.walk.act({ name: "step", rate: Number(rate.value) }));
    const before = costs.length > 1 ? `, from ${shown(costs.at(-2))} before the last change.` : ".";
    return [
      fields(live, html("div", { class: "line" }, html("label", {}, "learning rate ", rate), step)),
      html("p", { class: "note" }, "C = ", html("b", { class: "cost-now" }, shown(costs.at(-1))), before),
      historyPlot(costs),
    ];
  }

  // Mistakes

  mistakes(shownDocument, live) {
    if (shownDocument.fault) return this.planted(shownDocument, live);
    return [this.plantForm(shownDocument.choices.faults, live)];
  }

  plantForm(faults, live) {
    const layer = html("select", { "data-choose": "layer" });
    const inLayer = html("label", {}, "in layer ", layer);
    const mistake = html("select", { "data-choose": "mistake", onchange: () => fillLayers() },
      option(SURPRISE, "one hidden from me"),
      ...faults.map(({ name, title, equations, layers, why }) =>
        html("option", { value: name, disabled: !layers.length, title: why }, `(${equations.join(", ")}) ${title}`)));
    const fillLayers = () => {
      const chosen = faults.find(({ name }) => name === mistake.value);
      layer.replaceChildren(...(chosen?.layers ?? []).map((each) => option(each, String(each))));
      inLayer.hidden = !chosen;
    };
    fillLayers();
    const plant = action("plant", "Plant it", () => this.plant(faults, mistake.value, layer.value));
    return fields(live,
      html("p", { class: "note" }, PLANT_IT),
      html("label", { class: "wide" }, "Mistake ", mistake),
      html("div", { class: "line" }, inLayer, plant));
  }

  plant(faults, name, layer) {
    const possible = faults.flatMap((fault) => fault.layers.map((each) => ({ name: fault.name, layer: each })));
    this.hidden = name === SURPRISE ? possible[Math.floor(Math.random() * possible.length)] : null;
    this.walk.edit({ fault: this.hidden ?? { name, layer: Number(layer) } });
  }

  /** Whether the reader knows the planted mistake. */
  isKnown() {
    return !this.hidden || this.revealed || Boolean(this.guess?.right);
  }

  planted(shownDocument, live) {
    const { fault, verdict } = shownDocument;
    const where = html("b", {}, `(${fault.equation}), layer ${fault.layer}: `);
    const what = this.isKnown()
      ? [
        html("p", { class: "planted-what" }, where, fault.title, "."),
        html("p", { class: "planted-line" }, formula([fault.line])),
        html("p", { class: "note" }, "The steps that it makes wrong are marked on the timeline. ",
          this.linkTo((step) => step.planted)),
      ]
      : [html("p", { class: "note" }, FIND_IT), this.guessForm(shownDocument)];
    const told = this.guess && (this.guess.right || !this.revealed)
      ? [html("p", { class: `told ${this.guess.right ? "right" : "wrong"}`, role: "status" }, this.guess.text)]
      : [];
    const judged = this.revealed
      ? [
        html("p", { class: "verdict", role: "status" }, html("b", {}, "certify: "), verdict.says),
        html("p", { class: "note" }, "The certificate stands below, at its full width."),
      ]
      : [];
    const reveal = verdict && !this.revealed ? action("reveal", "Let certify say", () => this.reveal(), "") : null;
    const remove = action("remove", "Remove it", () => this.walk.edit({ fault: null }), "");
    remove.disabled = !live;
    return [...what, ...told, ...judged, html("div", { class: "line" }, reveal, remove)];
  }

  /** A button that leads to the first step of which something holds. */
  linkTo(holds) {
    const found = this.walk.find(holds);
    if (!found) return null;
    const { at, stop } = found;
    const number = stop.equations[0] ? ` (${stop.equations[0]})` : "";
    const onclick = () => this.walk.go(at);
    return html("button", { type: "button", class: "link", "data-do": "see", onclick }, `See ${stop.mark || "it"}${number}`);
  }

  /** The certificate, once the reader has asked for it; it stays open from one document to the next. */
  drawCertificate({ fault, verdict }) {
    const shows = Boolean(fault && verdict && this.revealed);
    this.certificate.hidden = !shows;
    if (!shows) return void this.certificate.replaceChildren();
    if (!this.certificate.firstChild) {
      this.certificate.append(
        html("details", { open: true }, html("summary", {}, "The certificate"), html("pre", { tabindex: 0 })));
    }
    this.certificate.querySelector("pre").textContent = verdict.text;
  }

  guessForm({ choices, layers, fault }) {
    const equations = [...new Set(choices.faults.flatMap((each) => each.equations))].sort();
    const possible = choices.faults.filter((each) => each.layers.length);
    const kept = this.guess?.guessed ?? {};
    const select = (name, options) => html("select", { "data-choose": `guess-${name}` },
      ...options.map(([value, text]) => option(value, text, kept[name] === String(value))));
    const layer = select("layer", layers.slice(1).map((each) => [each.layer, String(each.layer)]));
    const equation = select("equation", equations.map((each) => [each, `(${each})`]));
    const mistake = select("mistake", possible.map(({ name, title }) => [name, title]));
    const guess = action("guess", "Guess", () =>
      this.judge(fault, { layer: layer.value, equation: equation.value, mistake: mistake.value }));
    return html("div", { class: "guess" },
      html("div", { class: "line" }, html("label", {}, "layer ", layer), html("label", {}, "equation ", equation)),
      html("label", { class: "wide" }, "mistake ", mistake),
      html("div", { class: "line" }, guess));
  }

  judge(fault, guessed) {
    const truth = { layer: String(fault.layer), equation: fault.equation, mistake: fault.name };
    const parts = Object.keys(truth);
    const wrong = parts.filter((part) => guessed[part] !== truth[part]);
    const good = parts.filter((part) => guessed[part] === truth[part]);
    const right = !wrong.length;
    const text = right
      ? "Right: you found it."
      : `Not yet: ${listed(wrong)} wrong${good.length ? `, ${listed(good)} right` : ""}.`;
    this.guess = { guessed, right, text };
    this.walk.redraw();
  }

  reveal() {
    this.revealed = true;
    this.walk.redraw();
  }

  // The scene

  changes({ scene, choices }, live) {
    const { edit } = this.walk;
    const cost = html("select", {
      "data-choose": "cost", "aria-label": "cost", onchange: (event) => edit({ cost: event.target.value }),
    }, ...choices.costs.map((each) => option(each, each, each === scene.cost)));
    return [fields(live,
      choice("Backends", this.backend(scene, choices, 0), this.backend(scene, choices, 1)),
      choice("Activations", ...scene.activations.map((_, i) => this.activation(scene, choices, i))),
      choice("Cost", cost),
      choice("Random", ...this.randomNetwork(scene)))];
  }

  backend(scene, choices, i) {
    const onchange = ({ target }) => {
      const names = [...scene.backends];
      if (target.value) names[i] = target.value;
      else names.splice(i, 1);
      this.walk.edit({ backends: names });
    };
    const options = choices.backends.map(({ name, why }) => html("option", {
      value: name, disabled: Boolean(why), title: why, selected: scene.backends[i] === name,
    }, why ? `${name} (refuses)` : name));
    const none = i ? [option("", "none", scene.backends.length < 2)] : [];
    const label = `${i ? "right" : "left"} backend`;
    return html("select", { "data-choose": `backend-${i + 1}`, "aria-label": label, onchange }, ...none, ...options);
  }

  activation(scene, choices, i) {
    const now = scene.activations[i];
    const onchange = ({ target }) =>
      this.walk.edit({ activations: scene.activations.map((each, at) => (at === i ? target.value : each)) });
    const other = choices.activations.includes(now) ? [] : [option("", Array.isArray(now) ? "several" : now, true)];
    return html("label", {}, `layer ${i + 2} `, html("select", { "data-choose": `activation-${i + 2}`, onchange },
      ...other, ...choices.activations.map((each) => option(each, each, each === now))));
  }

  randomNetwork(scene) {
    const sizes = html("input", {
      type: "text", size: 8, value: this.sizes ?? scene.sizes.join("-"), "data-choose": "sizes",
      oninput: (event) => { this.sizes = event.target.value; },
    });
    const seed = html("input", {
      type: "number", step: 1, value: this.seed ?? "1", "data-choose": "seed",
      oninput: (event) => { this.seed = event.target.value; },
    });
    const draw = action("random", "Draw", () => {
      if (!LAYERS.test(sizes.value)) {
        return this.walk.fail(`Layers must be numbers with a hyphen between them, such as 2-3-2, got “${sizes.value}”.`);
      }
      this.sizes = undefined;
      const counts = sizes.value.match(/\d+/g).map(Number);
      this.walk.act({ name: "random", seed: Math.trunc(Number(seed.value)), sizes: counts });
    }, "");
    return [html("label", {}, "layers ", sizes), html("label", {}, "seed ", seed), draw];
  }
}

function isLeft(step, name, layer) {
  const left = leftOf(step);
  return left?.name === name && left.layer === layer;
}

function action(name, label, onclick, kind = "primary") {
  return html("button", { type: "button", class: kind, "data-do": name, onclick }, label);
}

function option(value, text, selected = false) {
  return html("option", { value, selected }, text);
}

function choice(legend, ...controls) {
  return html("div", { class: "choice" },
    html("span", { class: "legend" }, legend), html("div", { class: "line" }, ...controls));
}

function fields(live, ...children) {
  return html("fieldset", { disabled: !live }, ...children);
}

function listed(parts) {
  return `${parts.map((part) => `the ${part}`).join(" and ")} ${parts.length > 1 ? "are" : "is"}`;
}

/** Draw a part anew, and return the focus to the control that had it. */
function keepingFocus(part, draw) {
  const active = focusedIn(part);
  const kind = ["data-choose", "data-do", "data-move"].find((name) => active?.hasAttribute(name));
  const selector = kind && `[${kind}="${active.getAttribute(kind)}"]`;
  draw();
  if (selector) part.querySelector(selector)?.focus({ preventScroll: true });
}
