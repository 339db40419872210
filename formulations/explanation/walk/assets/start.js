// Starts the walk with the document and the options of the page, and with what computes its numbers.

import { startFromServer } from "./server.js";
import { startWithPyodide } from "./pyodide.js";
import { damaged, refuse, walk } from "./walk.js";

const root = document.getElementById("walk");

/** Read a part of the page; if it is missing or damaged, say so and return null. */
function partOf(id) {
  const element = document.getElementById(id);
  if (!element) return void refuse(root, damaged("it is missing, since the page is cut off"));
  try {
    return JSON.parse(element.textContent);
  } catch (problem) {
    return void refuse(root, damaged(`it is not JSON (${problem.message})`));
  }
}

function start(options) {
  if (options.provider === "server") return void startFromServer(root);
  const first = partOf("walk-document");
  if (!first) return;
  if (options.provider === "pyodide") startWithPyodide(root, first, options);
  else walk(root, { document: first, request: null, source: options.source });
}

const options = partOf("walk-options");
if (options) start(options);
