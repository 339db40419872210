/* Numbers from the library itself, which runs in the browser if the reader wishes. */

import { walk } from "./walk.js";

/** The worker's whole program: it loads Python and the library, and then answers requests. */
function pyodideWorker() {
  let answer;

  async function load({ index, packages, hashes, wheel, wheelHash }) {
    const tell = (progress) => postMessage({ progress });
    const loaded = async (address, integrity) => {
      const response = await fetch(address, integrity ? { integrity } : {});
      if (!response.ok) throw new Error(`${address}: ${response.status}`);
      return response.arrayBuffer();
    };
    tell("Loading Python …");
    // Once they are known to be the files whose hashes stand here, the runtime takes them from the browser's cache. It
    // checks packages itself, by the hashes in its lock file.
    await Promise.all(Object.entries(hashes ?? {}).map(([name, hash]) => loaded(index + name, hash)));
    const { loadPyodide } = await import(`${index}pyodide.mjs`);
    const python = await loadPyodide({ indexURL: index, ...(packages ? { packageBaseUrl: packages } : {}) });
    tell("Loading NumPy and SciPy …");
    const needed = ["numpy", "scipy"];
    await python.loadPackage(needed, { messageCallback: () => {}, errorCallback: () => {} });
    const missing = needed.filter((name) => !(name in python.loadedPackages));
    if (missing.length) throw new Error(`${missing.join(" and ")} cannot be loaded from ${packages ?? index}`);
    tell("Loading the library …");
    python.unpackArchive(await loaded(wheel, wheelHash), "wheel");
    answer = python.runPython(`
import json
from formulations.explanation.walk import answer
lambda request: json.dumps(answer(json.loads(request)), allow_nan=False)
`);
    return `Python ${python.runPython("import platform; platform.python_version()")}`;
  }

  self.onmessage = async ({ data: { id, start, request } }) => {
    try {
      postMessage({ id, result: start ? await load(start) : JSON.parse(answer(JSON.stringify(request))) });
    } catch (problem) {
      // The last line of a traceback says what is wrong.
      postMessage({ id, failure: String(problem.message ?? problem).trim().split("\n").pop() });
    }
  };
}

/** Start the worker; `tell` gets lines of progress, and `send` promises the result of a message. */
function pyodideRuntime(tell) {
  const program = new Blob([`(${pyodideWorker})()`], { type: "text/javascript" });
  const worker = new Worker(URL.createObjectURL(program), { type: "module" });
  const waiting = new Map();
  let count = 0;
  worker.onmessage = ({ data: { id, progress, result, failure } }) => {
    if (progress) return tell(progress);
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (failure === undefined) resolve(result);
    else reject(new Error(failure));
  };
  worker.onerror = (event) => {
    for (const { reject } of waiting.values()) reject(new Error(event.message || "the worker failed"));
    waiting.clear();
  };
  const send = (message) =>
    new Promise((resolve, reject) => {
      count += 1;
      waiting.set(count, { resolve, reject });
      worker.postMessage({ id: count, ...message });
    });
  return { send, stop: () => worker.terminate() };
}

export function startWithPyodide(root, first, { source, pyodide }) {
  const shownWalk = walk(root, { document: first, request: null, source });
  if (!shownWalk) return;
  const absolute = (address) => address && new URL(address, document.baseURI).href;
  const start = {
    ...pyodide,
    index: absolute(pyodide.index),
    packages: absolute(pyodide.packages),
    wheel: absolute(pyodide.wheel),
  };
  const { host } = new URL(start.index);
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.do = "live";
  button.textContent = "Run live";
  const status = document.createElement("span");
  status.setAttribute("role", "status");
  const from = host === location.host ? "this site" : host;
  status.textContent = `lets you change every number: it loads Python, NumPy, SciPy and the library, ${pyodide.size}, from ${from}.`;
  const line = document.createElement("p");
  line.append(button, " ", status);
  root.querySelector(".masthead").append(line);

  button.addEventListener("click", async () => {
    button.disabled = true;
    const runtime = pyodideRuntime((progress) => {
      status.textContent = progress;
    });
    try {
      const python = await runtime.send({ start });
      const text = `The library computes every number anew, in this browser (${python}).`;
      line.remove();
      shownWalk.enliven((request) => runtime.send({ request }), { text, live: true, command: null });
      root.querySelector("[aria-current=step]").focus();
    } catch (problem) {
      runtime.stop();
      status.textContent = `It cannot run here: ${problem.message.replace(/\.*$/, ".")}`;
      button.disabled = false;
    }
  });
}
