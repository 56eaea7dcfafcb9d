/** The picture, as it came and purified: one over the other with a slider, side by side, and their difference. */

import { FACTOR, colour, difference } from "./difference.js";
import { find } from "./elements.js";
import { number, say } from "./words.js";

const radios = [...document.querySelectorAll("input[name=view]")];
const stage = find("stage");
const slider = find("cut");

/** The view that is shown: "camera", "compare", "both" or "difference". */
export const shown = () => stage.dataset.view;

/** Show a view; `changed` tells whoever listens. */
export function show(view) {
  radios.find((radio) => radio.value === view).checked = true;
  stage.dataset.view = view;
  stage.dispatchEvent(new CustomEvent("viewchange"));
}

/** Call a function whenever another view is shown. */
export const onChange = (listener) => stage.addEventListener("viewchange", listener);

/** Show a picture, an ImageBitmap, and purified, null where it is not there (yet). */
export function present(before, after) {
  const both = after !== null;
  for (const radio of radios) radio.disabled = radio.value !== "camera" && !(both || radio.value === "compare");
  for (const id of ["before", "left"]) paint(find(id), before);
  find("before").ariaLabel = find("left").ariaLabel = say("picture.before.label");
  for (const id of ["after", "cut", "divider", "after-chip"]) find(id).hidden = !both;
  if (both) {
    for (const id of ["after", "right"]) paint(find(id), after);
    find("after").ariaLabel = find("right").ariaLabel = say("picture.after.label");
    map();
    cut(50);
  } else if (shown() !== "camera") {
    show("compare");
  }
}

/** Take the pictures away: there are none, or they are those of an image that is no longer asked about. */
export function clear() {
  if (radios.includes(document.activeElement)) radios[0].focus();
  for (const radio of radios) radio.disabled = radio.value !== "camera";
  show("camera");
}

function paint(canvas, bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d", { willReadFrequently: true }).drawImage(bitmap, 0, 0);
}

function map() {
  const [before, after] = [find("before"), find("after")].map((canvas) =>
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height),
  );
  const changed = difference(before, after);
  const canvas = find("map");
  canvas.width = before.width;
  canvas.height = before.height;
  canvas.getContext("2d").putImageData(changed.map, 0, 0);
  const words = { mean: number(changed.mean, 1), largest: number(changed.largest), factor: FACTOR };
  canvas.ariaLabel = say("difference.label", words);
  find("map-words").textContent = say("difference.words", words);
}

/** Put the slider where `percent` of the width shows the image as it came. */
function cut(percent) {
  slider.value = percent;
  const share = slider.value / 100;
  slider.ariaValueText = say("compare.position", { before: slider.value });
  find("compare").style.setProperty("--cut", share);
}

/** The scale of the difference, which is the same for all. */
export function drawScale() {
  const canvas = find("scale");
  const scale = new ImageData(canvas.width, 1);
  for (let at = 0; at < canvas.width; at++) scale.data.set([...colour(at / (canvas.width - 1)), 255], 4 * at);
  canvas.getContext("2d").putImageData(scale, 0, 0);
  find("scale-end").textContent = say("difference.end", { levels: number(255 / FACTOR) });
}

for (const radio of radios) radio.addEventListener("change", () => show(radio.value));
slider.addEventListener("input", () => cut(slider.value));

// A finger or a pointer moves the divider from anywhere on the picture; the slider under it is for the keyboard.
find("compare").addEventListener("pointerdown", (event) => {
  if (slider.hidden || event.button !== 0) return;
  const box = event.currentTarget.getBoundingClientRect();
  const follow = ({ clientX }) => cut(Math.round((100 * (clientX - box.left)) / box.width));
  const leave = () => {
    removeEventListener("pointermove", follow);
    removeEventListener("pointerup", leave);
    removeEventListener("pointercancel", leave);
  };
  addEventListener("pointermove", follow);
  addEventListener("pointerup", leave);
  addEventListener("pointercancel", leave);
  follow(event);
  slider.focus({ preventScroll: true });
  event.preventDefault();
});
