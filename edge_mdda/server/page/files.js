/** Pictures from files: chosen, dropped anywhere on the page, or pasted. */

import { find } from "./elements.js";

/** Call `take` with each File that is given. */
export function listen(take) {
  const field = find("file");
  find("choose").addEventListener("click", () => field.click());
  field.addEventListener("change", () => {
    if (field.files.length > 0) take(field.files[0]);
    field.value = ""; // so that the same file can be chosen again
  });

  const hold = (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    document.body.classList.add("dropping");
  };
  addEventListener("dragenter", hold);
  addEventListener("dragover", hold);
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (event.dataTransfer.files.length > 0) take(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) take(file);
  });
}
