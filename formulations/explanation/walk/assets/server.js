/* Numbers from the local server of `formulations walk`. */

import { refuse, walk } from "./walk.js";

const SERVER_SOURCE = {
  text: "The library on this computer computes every number anew.",
  live: true,
  command: null,
};
const PAUSE = 200; // milliseconds
const SERVER_GONE = "the local server does not answer; start formulations walk again, and open the address that it prints.";

/** Ask the server, with the token from the address, which the browser itself never sends. */
async function askServer(path, body) {
  const options = { headers: { "X-Formulations-Token": location.hash.slice(1) } };
  if (body) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error(SERVER_GONE);
  }
  if (response.status !== 409) return response.json();
  // Another window took the turn: this page sends one request at a time, and so its newest. It waits, or both windows
  // would take the turn from each other without a pause.
  await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
  return askServer(path, body);
}

export async function startFromServer(root) {
  // The address of another run differs in the fragment alone, for which the browser does not load the page again.
  addEventListener("hashchange", () => location.reload());
  try {
    const first = await askServer("/document");
    if (first.error) throw new Error(first.error.message);
    walk(root, { document: first, request: (body) => askServer("/answer", body), source: SERVER_SOURCE });
  } catch (problem) {
    refuse(root, `No numbers: ${problem.message}`);
  }
}
