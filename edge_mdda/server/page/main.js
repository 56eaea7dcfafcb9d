/** The page: a picture from the camera or a file is asked about, and the answer shown. */

import * as answer from "./answer.js";
import * as api from "./api.js";
import { Camera, CameraProblem } from "./camera.js";
import { find, make, releaseFocus } from "./elements.js";
import * as files from "./files.js";
import * as health from "./health.js";
import * as problems from "./problems.js";
import * as session from "./session.js";
import { keep, token } from "./token.js";
import * as views from "./views.js";
import { load, say } from "./words.js";

const camera = new Camera(find("video"), () => {
  showCamera();
  problems.show({ kind: "camera-lost" }, startCamera);
});

let model = null; // what GET /v1/model answered
let asking = null; // the AbortController of the request that is under way

// ---- the one question, and its answer -----------------------------------------------------------------------------

/**
 * Ask about the image, a Blob, that `take` gives, and show the answer. What was shown before goes away first, for no
 * one to mix them up.
 */
async function ask(take, name) {
  asking?.abort();
  const mine = (asking = new AbortController());
  problems.hide();
  session.mark(null);
  showSide("answer");
  releaseFocus(find("answer"));
  find("answer").replaceChildren();
  setBusy(true);
  let image = null;
  try {
    image = await take();
    const start = performance.now();
    const preview = await bitmap(image);
    if (mine.signal.aborted) return;
    if (preview === null) views.clear();
    else {
      views.present(preview, null);
      views.show("compare");
    }
    const report = await api.assess(image, mine.signal);
    const entry = {
      report,
      before: preview,
      after: null,
      name,
      when: new Date(),
      roundTrip: performance.now() - start,
    };
    session.add(entry, open);
    showAnswer(entry);
    find("news").textContent = answer.summary(report);
    await fetchPictures(entry, image, mine);
  } catch (problem) {
    fail(problem, mine, () => ask(image === null ? take : () => image, name));
  } finally {
    if (asking === mine) {
      asking = null;
      setBusy(false);
    }
  }
}

/** Fetch the two pictures that were classified; without them there is still an answer. */
async function fetchPictures(entry, image, mine) {
  const { report } = entry;
  try {
    entry.before = await createImageBitmap(await api.fitted(image, mine.signal));
    if (report.seed !== null) entry.after = await createImageBitmap(await api.purified(image, report, mine.signal));
  } catch (problem) {
    if (mine.signal.aborted) return;
    problems.show({ kind: "pictures", detail: problem.message }, () =>
      fetchPictures(entry, image, new AbortController()),
    );
  }
  if (session.shown() === entry) views.present(entry.before, entry.after);
}

function fail(problem, mine, again) {
  if (asking !== mine) return; // another picture has taken its place
  views.clear();
  welcome();
  if (problem.kind === "cancelled") return;
  if (problem instanceof CameraProblem) {
    problems.show({ kind: `camera-${problem.kind}` }, startCamera);
    return;
  }
  if (!(problem instanceof api.Problem)) {
    problems.show({ kind: "other", detail: String(problem) }, again);
    throw problem;
  }
  // What the image is to blame for will not get better.
  problems.show(problem, ["400", "413", "415"].includes(problem.kind) ? null : again);
}

/** Let a request that is under way go. */
function giveUp() {
  asking?.abort();
  asking = null;
  setBusy(false);
}

/** A picture at the model's size; null if the browser cannot decode it, of which the service will say more. */
async function bitmap(image) {
  const size = model?.input ?? { width: 224, height: 224 };
  try {
    return await createImageBitmap(image, {
      resizeWidth: size.width,
      resizeHeight: size.height,
      resizeQuality: "high",
    });
  } catch {
    return null;
  }
}

// ---- what is shown --------------------------------------------------------------------------------------------------

function showAnswer(entry) {
  find("answer").replaceChildren(...answer.describe(entry, model));
  session.mark(entry);
}

/** Show an entry of the session again. */
function open(entry) {
  giveUp();
  problems.hide();
  showAnswer(entry);
  views.present(entry.before, entry.after);
  views.show("compare");
  showSide("answer");
}

function welcome() {
  find("answer").replaceChildren(
    make(
      "div",
      { class: "card", id: "welcome" },
      make("h3", {}, say("welcome.heading")),
      make("p", {}, say("welcome.words")),
    ),
  );
}

function setBusy(busy) {
  find("busy").hidden = !busy;
  find("findings").ariaBusy = busy;
  if (busy) find("news").textContent = say("busy");
  showActions();
}

function showActions() {
  const key = asking ? "cancel" : views.shown() !== "camera" ? "new" : camera.on ? "capture" : "camera.start";
  find("act").textContent = say(key);
  find("act").className = key === "cancel" ? "" : "primary";
}

function showSide(side) {
  const radio = document.querySelector(`input[name=side][value=${side}]`);
  const other = find(side === "answer" ? "side-session" : "side-answer");
  radio.checked = true;
  if (other.contains(document.activeElement)) radio.focus();
  other.hidden = true;
  find(`side-${side}`).hidden = false;
}

// ---- the camera -----------------------------------------------------------------------------------------------------

async function startCamera(device = null) {
  problems.hide();
  try {
    await camera.start(device);
  } catch (problem) {
    problems.show({ kind: `camera-${problem.kind}` }, problem.kind === "insecure" ? null : () => startCamera(device));
  }
  showCamera();
}

async function showCamera() {
  find("video").hidden = find("stop").hidden = !camera.on;
  find("drop").hidden = camera.on;
  showActions();
  const { shown, cameras } = camera.on ? await camera.list() : { cameras: [] };
  const choice = find("cameras").querySelector("select");
  choice.replaceChildren(...cameras.map(({ id, name }) => make("option", { value: id, selected: id === shown }, name)));
  find("cameras").hidden = cameras.length < 2;
}

function act() {
  if (asking) asking.abort();
  else if (views.shown() !== "camera") views.show("camera");
  else if (camera.on) ask(() => camera.take(), say("capture.name"));
  else startCamera();
}

// ---- the service ----------------------------------------------------------------------------------------------------

async function meetModel() {
  try {
    model = await api.model();
  } catch (problem) {
    problems.show(problem, meetModel);
    return;
  }
  const { name, version, sha256 } = model;
  find("model").textContent = say("model", { name, version, hash: sha256.slice(0, 12) });
}

await load();
find("act").addEventListener("click", act);
find("stop").addEventListener("click", () => {
  releaseFocus(find("stop"));
  camera.stop();
  showCamera();
});
find("cameras").addEventListener("change", (event) => startCamera(event.target.value));
find("clear").addEventListener("click", () => {
  showSide("answer"); // first, for it takes the focus along
  giveUp();
  session.clear();
  views.clear();
  problems.hide();
  welcome();
});
find("forget").addEventListener("click", () => {
  releaseFocus(find("forget"));
  keep(null);
});
for (const radio of document.querySelectorAll("input[name=side]")) {
  radio.addEventListener("change", () => showSide(radio.value));
}
views.onChange(showActions);
views.drawScale();
files.listen((file) => ask(() => file, file.name));
keep(token());
session.count();
welcome();
showCamera();
health.watch(() => model ?? meetModel());
if (await Camera.permitted()) startCamera();
