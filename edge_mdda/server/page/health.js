/** Whether the service answers, shown at the top of the page. */

import * as api from "./api.js";
import { find } from "./elements.js";
import { say } from "./words.js";

const EVERY_MS = 5000;

let state = null;

/** Look now and every few seconds while the page is seen; `back` is called whenever the service has become ready. */
export async function watch(back) {
  if (!document.hidden) await look(back);
  setTimeout(() => watch(back), EVERY_MS);
}

async function look(back) {
  let found;
  try {
    found = (await api.health()).ready ? "ready" : "starting";
  } catch {
    found = "offline";
  }
  if (found === state) return;
  state = found;
  find("health").className = found;
  find("health").firstElementChild.textContent = say(`health.${found}`);
  if (found === "ready") back();
}
