/* Pointing: what the reader points at lights up wherever the page shows it. */

const SAME = { Sigma: ["slope"], slope: ["Sigma"], nabla: ["da"], da: ["nabla"], extended: ["a"], a: ["extended"] };
const OF_EDGES = new Set(["w", "dw", "dwb"]);

/** Read what an element shows: its name, layer and index, or null. */
export function targetOf(element) {
  const { name, layer, index } = element.dataset;
  if (!name || !layer) return null;
  return { name, layer: Number(layer), index: index && /^[\d,]+$/.test(index) ? index.split(",").map(Number) : [] };
}

/** Whether both are the same. */
export function sameTarget(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/**
 * Light up a target in every pane of a root, or nothing.
 *
 * A neuron lights its row in each matrix, its symbol and its edges; a weight its entry, its symbol, its edge and, less
 * brightly, the entries of its two neurons; a path its neurons and edges.
 */
export function light(root, target, stop) {
  const edgeLayers = target ? layersOfEdges(target, stop) : new Set();
  for (const element of root.querySelectorAll("[data-layer], [data-row]")) {
    const how = target ? lit(element, target, edgeLayers) : "";
    element.classList.toggle("lit", how === "lit" || how === "exact");
    element.classList.toggle("exact", how === "exact");
    element.classList.toggle("near", how === "near");
  }
}

/** The layers whose edges belong to a neuron at this stop: those whose weights the step uses. */
function layersOfEdges({ layer, index }, stop) {
  if (index?.length !== 1) return new Set();
  const used = new Set();
  for (const step of stop?.columns.flat() ?? []) {
    for (const piece of [step.symbols, ...step.rows].flat()) if (OF_EDGES.has(piece.name)) used.add(piece.layer);
  }
  const touching = [layer, layer + 1].filter((each) => used.has(each));
  return new Set(touching.length ? touching : [layer === 1 ? 2 : layer]);
}

function lit(element, target, edgeLayers) {
  const shows = { name: element.dataset.name, layer: Number(element.dataset.layer) };
  const { index } = element.dataset;
  const places = element.places ?? [];
  if (target.path) return onPath(element, shows, index, target.path);
  const at = target.index.join(",");
  const ofEdge = OF_EDGES.has(target.name) && OF_EDGES.has(shows.name) && shows.layer === target.layer;
  const same = shows.layer === target.layer && (shows.name === target.name || SAME[target.name]?.includes(shows.name));
  if (same && index === at) return "exact";
  if (element.dataset.edge) {
    const [j, k] = index.split(",").map(Number);
    if (target.index.length !== 1) return ofEdge && (!at || index === at) ? "lit" : "";
    const [n] = target.index;
    const touches = (shows.layer === target.layer && j === n) || (shows.layer === target.layer + 1 && k === n);
    return touches && edgeLayers.has(shows.layer) ? "lit" : "";
  }
  if (places.length) return entryLit(places, target);
  if (element.dataset.neuron) {
    if (target.index.length === 1) return shows.layer === target.layer && index === at ? "lit" : "";
    const [j, k] = target.index;
    const ends = OF_EDGES.has(target.name) && [`${target.layer},${j}`, `${target.layer - 1},${k}`];
    return ends && ends.includes(`${shows.layer},${index}`) ? "near" : "";
  }
  if (index && /^\d/.test(index)) return ofEdge && index === at ? "lit" : "";
  return same || ofEdge ? "lit" : "";
}

/** Whether an entry of a matrix, at places such as [[2, 3], [1, 1]] (layer, neuron), belongs to the target. */
function entryLit(places, target) {
  const [row, column] = places;
  const at = (place, layer, n) => place && place[0] === layer && place[1] === n;
  if (target.index.length === 1) {
    const [n] = target.index;
    const inRow = at(row, target.layer, n);
    return inRow || (at(column, target.layer, n) && row?.[0] !== target.layer) ? "lit" : "";
  }
  if (!OF_EDGES.has(target.name)) return "";
  const [j, k] = target.index;
  const ends = [[target.layer, j], [target.layer - 1, k]];
  const hits = [row, column].filter((place) => ends.some(([layer, n]) => at(place, layer, n))).length;
  const neurons = [row, column].filter(Boolean).length;
  return hits === 2 && row[0] !== column[0] ? "lit" : hits === 1 && neurons === 1 ? "near" : "";
}

function onPath(element, shows, index, path) {
  if (element.dataset.neuron) return path.some(([l, j]) => l === shows.layer && String(j) === index) ? "lit" : "";
  if (!element.dataset.edge) return "";
  const [j, k] = index.split(",").map(Number);
  const has = (layer, n) => path.some(([l, i]) => l === layer && i === n);
  return has(shows.layer, j) && has(shows.layer - 1, k) ? "lit" : "";
}
