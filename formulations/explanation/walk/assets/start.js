// Starts the walk with the document and the options of the page.

import { walk } from "./walk.js";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const options = read("walk-options");
walk(document.getElementById("walk"), { document: read("walk-document"), request: null, source: options.source });
