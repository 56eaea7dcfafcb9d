/** What was asked since the page was loaded. It is in memory alone, and gone when the page is. */

import { headline, summary } from "./answer.js";
import { find, make } from "./elements.js";
import { say, time } from "./words.js";

// 100 pictures of the model's size, as they came and purified, are 40 MB; the oldest goes then.
const MOST = 100;

const entries = [];
let current = null;

/**
 * Add an entry, {report, before, after, name, when, …}, the newest first; `open` is called where it is chosen.
 */
export function add(entry, open) {
  entries.unshift(entry);
  entry.item = make(
    "li",
    {},
    make("button", { type: "button", click: () => open(entry) }, thumbnail(entry), caption(entry)),
  );
  find("session").prepend(entry.item);
  for (const old of entries.splice(MOST)) old.item.remove();
  count();
}

/** The entry whose answer is shown, null if none. */
export const shown = () => current;

/** Mark the entry whose answer is shown, null for none. */
export function mark(entry) {
  current = entry;
  for (const { item } of entries) item.firstChild.ariaCurrent = item === entry?.item ? "true" : null;
}

/** Forget all of it. */
export function clear() {
  entries.length = 0;
  current = null;
  find("session").replaceChildren();
  count();
}

/** Say how many there are. */
export function count() {
  find("session-count").textContent = say("sides.session", { count: entries.length });
  find("session-empty").hidden = entries.length > 0;
  find("clear").hidden = entries.length === 0;
}

function thumbnail({ before }) {
  const canvas = make("canvas", { width: 96, height: 96, "aria-hidden": "true" });
  if (before !== null) canvas.getContext("2d").drawImage(before, 0, 0, 96, 96);
  return canvas;
}

function caption({ report, name, when }) {
  const kind = report.alarm?.flag ? "alarm" : report.answer.abstained ? "none" : "verdict";
  return make(
    "span",
    { class: kind },
    make("b", {}, kind === "alarm" ? summary(report) : headline(report)),
    make("small", {}, time(when)),
    make("small", {}, name),
  );
}
