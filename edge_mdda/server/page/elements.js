/** Elements made in one line each; text always goes in as text, so that no name of a file or a class becomes markup. */

export const find = (id) => document.getElementById(id);

/** Before an element, or what is in it, goes away: the focus, if it is there, goes to where a picture is asked for. */
export function releaseFocus(element) {
  if (element.contains(document.activeElement)) find("act").focus();
}

/**
 * An element with its attributes and what is in it, strings or elements; null among them is left out.
 * `share`, of 1, becomes the custom property --share, from which style.css draws a bar.
 */
export function make(tag, { share, ...attributes } = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  if (share !== undefined) element.style.setProperty("--share", share);
  element.append(...inside.filter((child) => child !== null));
  return element;
}
