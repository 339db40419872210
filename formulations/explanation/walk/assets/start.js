// Starts the walk with the document and the options of the page, and with what computes its numbers.

import { startFromServer } from "./server.js";
import { startWithPyodide } from "./pyodide.js";
import { walk } from "./walk.js";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const options = read("walk-options");
const root = document.getElementById("walk");
if (options.provider === "server") startFromServer(root);
else if (options.provider === "pyodide") startWithPyodide(root, read("walk-document"), options);
else walk(root, { document: read("walk-document"), request: null, source: options.source });
