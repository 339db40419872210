/* The walk as a widget of a notebook: an anywidget, whose messages the kernel answers. */

import { walk } from "./walk.js";

const WIDGET_SOURCE = {
  text: "The library in this notebook's kernel computes every number anew.",
  live: true,
  command: null,
};
const KERNEL_PATIENCE = 30_000; // milliseconds

function renderWidget({ model, el }) {
  // A model may be shown in several cells, and each answer reaches all of them.
  const view = Math.random().toString(36).slice(2);
  const waiting = new Map();
  let count = 0;

  const request = (body) =>
    new Promise((resolve, reject) => {
      const id = `${view}-${(count += 1)}`;
      const late = setTimeout(() => {
        waiting.delete(id);
        reject(new Error("the notebook's kernel is busy or has gone; wait for its cells, or run this one again."));
      }, KERNEL_PATIENCE);
      waiting.set(id, (answer) => {
        clearTimeout(late);
        resolve(answer);
      });
      model.send({ id, request: body });
    });
  const received = ({ id, answer }) => {
    waiting.get(id)?.(answer);
    waiting.delete(id);
  };

  model.on("msg:custom", received);
  const root = document.createElement("div");
  el.append(root);
  walk(root, { document: model.get("document"), request, source: WIDGET_SOURCE });
  return () => model.off("msg:custom", received);
}

export default { render: renderWidget };
