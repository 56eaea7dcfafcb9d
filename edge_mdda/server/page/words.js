/** The words of the page, from its one file of strings, and numbers and times as its language writes them. */

const language = document.documentElement.lang;
const one = new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });

let strings = {};

/** Fetch the strings and write them into the elements that ask for them: data-text for text, data-label for a name. */
export async function load() {
  const answer = await fetch(new URL(`strings.${language}.json`, import.meta.url));
  strings = await answer.json();
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = say(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.ariaLabel = say(element.dataset.label);
}

/** Whether there are words for a key; what a server or a model names may be new to this page. */
export const knows = (key) => Object.hasOwn(strings, key);

/** The words for a key, with {name} replaced by a value; the key itself where there are none. */
export function say(key, values = {}) {
  return (strings[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export const percent = (share) => one.format(share);
export const wholePercent = (share) => whole.format(share);
export const time = (date) => clock.format(date);

/** A number with that many decimals. */
export function number(value, decimals = 0) {
  const form = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return new Intl.NumberFormat(language, form).format(value);
}

/** "NV, melanocytic naevus"; a class that the page has no name for is its code alone. */
export function className(code) {
  return knows(`class.${code}`) ? say(`class.${code}`) : null;
}
