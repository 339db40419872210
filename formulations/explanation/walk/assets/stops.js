/* The stops of the walk: one for each equation of each stage. */

/**
 * Return the stops of a document, each with its stage, its label and the steps of each column.
 *
 * Columns whose steps have the same left sides are walked step by step; others are shown as a whole stage.
 */
export function stopsOf(shownDocument) {
  return shownDocument.stages.flatMap((stage) => {
    const columns = stage.shared ? stage.columns.slice(0, 1) : stage.columns;
    return aligned(columns).map((steps) => stopOf(stage, steps));
  });
}

/** Return, for each quantity such as "delta 2", the first stop that computes it. */
export function computedAt(stops) {
  const found = new Map();
  stops.forEach((stop, i) => {
    for (const step of stop.columns.flat()) {
      const left = leftOf(step);
      if (!left?.name) continue;
      const names = { a: ["a", "z", "slope"], dwb: ["dw", "db"] }[left.name] ?? [left.name];
      for (const name of names) if (!found.has(`${name} ${left.layer}`)) found.set(`${name} ${left.layer}`, i);
    }
  });
  return found;
}

/** Return the operand on the left side of a step. */
export function leftOf(step) {
  const first = step.symbols[0];
  return first && !first.operator ? first : null;
}

function stopOf(stage, columns) {
  const steps = columns.flat();
  const equations = [...new Set(columns.map((column) => column.map((step) => step.equation).find(Boolean) ?? ""))];
  const left = columns.length && columns.every((column) => column.length < 2) ? leftOf(steps[0]) : null;
  return {
    title: stage.title, phase: stage.phase, layer: stage.layer, shared: stage.shared, columns,
    equations: equations.filter(Boolean), mark: left?.name ? left.symbol : "",
  };
}

function aligned(columns) {
  const keys = columns.map((column) => column.map(keyOf));
  const [first] = keys;
  const same = keys.every((each) => new Set(each).size === first.length && first.every((key) => each.includes(key)));
  if (!same || first.includes("") || new Set(first).size < first.length) return [columns];
  return first.map((key) => columns.map((column, i) => [column[keys[i].indexOf(key)]]));
}

function keyOf(step) {
  const left = leftOf(step);
  return left?.name ? `${left.name} ${left.layer}` : "";
}
