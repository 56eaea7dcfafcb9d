/** The token that a service off loopback asks for: entered in a dialogue, kept until this tab is closed at most. */

import { find } from "./elements.js";

const KEY = "edge-mdda token";
let inMemory = null;

/** The token, or null. */
export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? inMemory;
  } catch {
    return inMemory; // a browser that keeps nothing for this page
  }
}

/** Keep a token, or forget it if null. */
export function keep(value) {
  inMemory = value;
  try {
    if (value === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, value);
  } catch {
    // It stays in memory, until the page is left.
  }
  find("forget").hidden = value === null;
}

let asked = null;

/** Ask for a token, once for all who want one; whether one was given. Where one is kept already, it was refused. */
export function ask() {
  asked ??= dialogue().finally(() => (asked = null));
  return asked;
}

function dialogue() {
  const element = find("token");
  const field = find("token-value");
  find("token-refused").hidden = token() === null;
  keep(null);
  field.value = "";
  const listening = new AbortController();
  const { signal } = listening;
  element.showModal();
  field.focus();
  return new Promise((resolve) => {
    const close = (given) => {
      listening.abort();
      element.close();
      resolve(given);
    };
    element.addEventListener("cancel", () => close(false), { signal });
    find("token-cancel").addEventListener("click", () => close(false), { signal });
    element.querySelector("form").addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        keep(field.value.trim());
        close(true);
      },
      { signal },
    );
  });
}
