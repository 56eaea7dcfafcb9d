/** A report as a person reads it: the answer or that there is none, the reasons to doubt it, and what it is made of. */

import { make } from "./elements.js";
import { className, knows, number, percent, say, time, wholePercent } from "./words.js";

/** One line that says it all, for a screen reader and the list of the session. */
export function summary(report) {
  const words = [headline(report)];
  if (report.alarm?.flag) words.push(say("alarm.heading"));
  if (warnings(report).length > 0) words.push(say("quality.heading"));
  return words.join(". ");
}

/**
 * Everything that is known of an image, as elements in the order of their weight.
 *
 * Of the entry {report, name, when, roundTrip} the last is in milliseconds, as this page waited; `model` is what
 * GET /v1/model answered, or null.
 */
export function describe({ report, name, when, roundTrip }, model) {
  return [
    make("p", { class: "quiet", id: "which" }, say("answer.which", { name, time: time(when) })),
    alarm(report),
    verdict(report),
    quality(report),
    probabilities(report),
    doubts(report),
    times(report, roundTrip),
    origin(report, model),
  ].filter((part) => part !== null);
}

/** "NV, 76.2 %", or "No answer". */
export function headline(report) {
  if (report.answer.abstained) return say("answer.none");
  return say("answer.short", { code: report.answer.class, share: percent(shareOf(report)) });
}

const shareOf = (report) => report[report.answer.from].probabilities[report.answer.class];
const warnings = (report) => report.quality?.warnings ?? [];

function named(code) {
  const name = className(code);
  return name === null ? code : say("class.named", { code, name });
}

function alarm(report) {
  if (!report.alarm?.flag) return null;
  const { score, threshold } = report.alarm;
  return make(
    "div",
    { class: "card alarm", id: "alarm" },
    make("h3", {}, say("alarm.heading")),
    make("p", {}, say("alarm.words", { score: number(score, 2), threshold: number(threshold, 2) })),
    make("p", {}, say("alarm.advice")),
  );
}

function verdict(report) {
  const { abstained, from, class: code } = report.answer;
  const share = percent(shareOf(report));
  const origin = say(`answer.from.${from}`);
  const inside = abstained
    ? [
        make("p", { class: "headline" }, say("answer.none")),
        make("ul", {}, ...reasons(report).map((reason) => make("li", {}, reason))),
        make("p", {}, say("answer.none.means")),
        make("p", { class: "quiet" }, say("answer.none.class", { class: named(code), share, origin })),
      ]
    : [
        make("p", { class: "headline" }, make("b", {}, code), " ", make("span", {}, share)),
        className(code) === null ? null : make("p", { class: "name" }, className(code)),
        make("p", {}, origin),
        abstained === null ? make("p", { class: "quiet" }, say("answer.uncalibrated")) : null,
      ];
  return make(
    "div",
    { class: abstained ? "card none" : "card verdict", id: "verdict" },
    make("h3", {}, say("answer.heading")),
    ...inside,
    set(report),
    agreement(report),
    make("p", { class: "quiet" }, say("answer.no-diagnosis")),
  );
}

function reasons(report) {
  return report.answer.reasons.map((reason) => {
    const score = report.uncertainty;
    if (reason === "unsure" && score !== null) {
      return say("reason.unsure", { sure: percent(1 - score.score), needed: percent(1 - score.threshold) });
    }
    return knows(`reason.${reason}`) ? say(`reason.${reason}`) : reason;
  });
}

/** The conformal set, which says nothing of what is no dermoscopic image at all. */
function set(report) {
  if (report.prediction_set === null || report.answer.reasons.includes("not dermoscopic")) return null;
  const { coverage, classes } = report.prediction_set;
  return make("p", { id: "set" }, say("set.words", { coverage: wholePercent(coverage), classes: classes.join(", ") }));
}

function agreement(report) {
  if (report.purified === null) return make("p", {}, say("agreement.none"));
  const [before, after] = [report.raw, report.purified].map(({ top, probabilities }) =>
    say("answer.short", { code: top, share: percent(probabilities[top]) }),
  );
  return make("p", {}, say(report.disagree ? "agreement.no" : "agreement.yes", { before, after }));
}

function quality(report) {
  if (warnings(report).length === 0) return null;
  // A translation may have words of its own for a warning; otherwise the service's are shown.
  const words = ({ name, message }) => (knows(`quality.${name}`) ? say(`quality.${name}`) : message);
  return make(
    "div",
    { class: "card warning", id: "quality" },
    make("h3", {}, say("quality.heading")),
    make("ul", {}, ...warnings(report).map((warning) => make("li", {}, words(warning)))),
  );
}

function probabilities(report) {
  const verdicts = [
    ["raw", report.raw],
    ["purified", report.purified],
  ].filter(([, of]) => of !== null);
  const main = (report.purified ?? report.raw).probabilities;
  const ranking = Object.keys(main).sort((one, other) => main[other] - main[one]);
  const inSet = report.prediction_set?.classes ?? [];
  const rows = ranking.map((code) =>
    make(
      "tr",
      { class: inSet.includes(code) ? "in-set" : null },
      make("th", { scope: "row" }, code, make("small", {}, className(code) ?? "")),
      ...verdicts.map(([kind, { probabilities, top }]) =>
        make(
          "td",
          { class: top === code ? `bar ${kind} top` : `bar ${kind}`, share: probabilities[code] },
          percent(probabilities[code]),
        ),
      ),
      report.prediction_set === null
        ? null
        : make("td", { class: "mark" }, inSet.includes(code) ? mark("✓", say("set.in")) : mark("", say("set.out"))),
    ),
  );
  return make(
    "div",
    { class: "card", id: "probabilities" },
    make("h3", {}, say("probabilities.heading")),
    make(
      "table",
      {},
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          make("th", { scope: "col" }, say("probabilities.class")),
          ...verdicts.map(([kind]) => make("th", { scope: "col", class: kind }, say(`probabilities.${kind}`))),
          report.prediction_set === null ? null : make("th", { scope: "col", class: "mark" }, say("set.heading")),
        ),
      ),
      make("tbody", {}, ...rows),
    ),
  );
}

/** A sign for the eye, and the same in words for the ear. */
function mark(sign, words) {
  return make("span", {}, make("span", { "aria-hidden": "true" }, sign), make("span", { class: "unseen" }, words));
}

function doubts(report) {
  const scores = ["uncertainty", "out_of_distribution", "alarm"].filter((name) => report[name] !== null);
  if (scores.length === 0) return null;
  const rows = scores.map((name) => {
    const { score, threshold, flag } = report[name];
    return make(
      "tr",
      { class: flag ? "flagged" : null },
      make("th", { scope: "row" }, say(`doubt.${name}`)),
      // The threshold stands at half the bar, so that all of them compare.
      make("td", { class: "bar level", share: Math.min(1, score / threshold / 2) }, number(score, 2)),
      make("td", {}, number(threshold, 2)),
      make("td", { class: "said" }, say(flag ? "doubt.above" : "doubt.below")),
    );
  });
  const count = { above: number(scores.filter((name) => report[name].flag).length), all: number(scores.length) };
  const columns = ["what", "score", "threshold", "verdict"];
  return make(
    "details",
    { class: "card", id: "doubts", open: scores.some((name) => report[name].flag) },
    make("summary", {}, make("h3", {}, say("doubt.heading")), " ", make("span", {}, say("doubt.count", count))),
    make("p", { class: "quiet" }, say("doubt.words")),
    make(
      "table",
      {},
      make(
        "thead",
        {},
        make("tr", {}, ...columns.map((name) => make("th", { scope: "col" }, say(`doubt.column.${name}`)))),
      ),
      make("tbody", {}, ...rows),
    ),
  );
}

function times(report, roundTrip) {
  const { total, ...stages } = report.milliseconds;
  const longest = Math.max(...Object.values(stages).filter((value) => value !== null));
  const row = (label, value, share) =>
    make("tr", {}, make("th", { scope: "row" }, label), make("td", { class: "bar time", share }, milliseconds(value)));
  const rows = Object.entries(stages)
    .filter(([, value]) => value !== null)
    .map(([stage, value]) => row(knows(`stage.${stage}`) ? say(`stage.${stage}`) : stage, value, value / longest));
  return make(
    "details",
    { class: "card", id: "times" },
    make("summary", {}, make("h3", {}, say("time.heading")), " ", make("span", {}, milliseconds(total))),
    make(
      "table",
      {},
      make("tbody", {}, ...rows),
      make("tfoot", {}, row(say("time.total"), total, 0), row(say("time.round-trip"), roundTrip, 0)),
    ),
  );
}

/** A count, where it is more than one. */
const several = (count) => (count > 1 ? number(count) : null);

const milliseconds = (value) => say("time.value", { value: number(value, value < 10 ? 1 : 0) });

function origin(report, model) {
  const { purify, inference } = report.threads;
  const parameters = Object.entries(report.parameters ?? {}).map(
    ([name, value]) => `${name} ${Array.isArray(value) ? value.join(" ") : value}`,
  );
  const rows = [
    ["origin.model", report.model.name],
    ["origin.version", model?.version],
    ["origin.sha256", report.model.sha256],
    ["origin.runtime", report.runtime],
    ["origin.threads", [purify, inference].filter((threads) => threads !== null).join(" + ")],
    ["origin.purify", knows(`purify.${report.purify}`) ? say(`purify.${report.purify}`) : report.purify],
    ["origin.seed", report.seed],
    ["origin.samples", several(report.samples)],
    ["origin.frames", several(report.frames)],
    ["origin.parameters", parameters.join(", ")],
  ].filter(([, value]) => value);
  return make(
    "details",
    { class: "card", id: "origin" },
    make("summary", {}, make("h3", {}, say("origin.heading")), " ", make("span", {}, report.model.name)),
    make("dl", {}, ...rows.flatMap(([key, value]) => [make("dt", {}, say(key)), make("dd", {}, value)])),
  );
}
