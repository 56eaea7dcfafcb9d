/** What went wrong, in words, and what can be done about it. */

import { find, make, releaseFocus } from "./elements.js";
import { knows, number, say } from "./words.js";

let countdown = null;

/**
 * Show a problem: `kind` of the strings problem.<kind>.heading and .words, `detail` as the service put it. `again` is
 * called where it is to be tried again, after `wait` seconds at the earliest; without it there is no button for that.
 */
export function show({ kind, detail = "", wait = null }, again = null) {
  hide();
  const known = knows(`problem.${kind}.heading`) ? kind : "other";
  const words = { status: kind, seconds: number(wait ?? 0) };
  const button =
    again && make("button", { type: "button", click: () => button.ariaDisabled !== "true" && retry(again) });
  find("problem").replaceChildren(
    ...[
      make("h3", {}, say(`problem.${known}.heading`, words)),
      make("p", {}, say(`problem.${known}.words`, words)),
      wait === null ? null : make("p", {}, say("problem.wait", words)),
      detail ? make("p", { class: "quiet" }, say("problem.detail", { detail })) : null,
      button,
    ].filter((part) => part !== null),
  );
  find("problem").hidden = false;
  if (button) count(button, wait ?? 0);
}

/** Take it away. */
export function hide() {
  clearTimeout(countdown);
  releaseFocus(find("problem"));
  find("problem").hidden = true;
  find("problem").replaceChildren();
}

function retry(again) {
  hide();
  again();
}

/** Count down on the button, which does nothing until then; it stays in the focus order, for it is where to wait. */
function count(button, seconds) {
  button.ariaDisabled = seconds > 0 ? "true" : null;
  button.textContent = seconds > 0 ? say("problem.again-in", { seconds: number(seconds) }) : say("problem.again");
  if (seconds > 0) countdown = setTimeout(() => count(button, seconds - 1), 1000);
}
