"""What one assessment found: as a dataclass, as JSON and as a table.

The JSON, schema "edge-mdda/report/1", is one object with these keys, all of them always present:

    schema         "edge-mdda/report/1"
    image          path as given, "-" for standard input, null for an image that came as bytes or array; bytes of a path
                   that are not UTF-8 are lone surrogates (\\udc80…\\udcff), as Python keeps them
    raw            {"probabilities": {class code: probability, …}, "top": class code} of the image as it came; codes in
                   the order of the model's outputs, probabilities rounded to six decimals
    purified       the same of the purified image; null where nothing was purified
    disagree       whether the two tops differ; null where nothing was purified
    purify         "auto", "always" or "never": whether the answer is taken from the purified image
    answer         {"from": "raw" or "purified", "class": class code, "abstained": whether no answer should be given,
                   null if the model is not calibrated; "reasons": why not, of "not dermoscopic" and "unsure"}
    prediction_set {"coverage": as asked for, "classes": [class codes that may be the true one, most probable first]};
                   of the images of each class, this part has it in the set
    uncertainty    {"score": 1 less the mean probability of the answer's class over the verdicts there are, where the
                   alarm rings by the purified one alone; "threshold": from validation images; "flag": whether the
                   score is above it}
    out_of_distribution
                   the same of the distance from how dermoscopic images look
    alarm          the same of the divergence between the two verdicts: whether the image looks attacked
    seed           of the noise, a whole number in [0, 2⁶⁴) – more than a double holds; null where nothing was purified
    samples        how many purifications, each with noise of its own (`edge_mdda.seeds` derives theirs from the seed),
                   the purified probabilities are the mean of; null where nothing was purified
    frames         how many frames of a camera both verdicts are the mean of; 1 for an image. The seed is the newest's
    parameters     every field of edge_mdda.Parameters by its name; null where nothing was purified
    model          {"name": …, "sha256": of the .tflite file}
    runtime        "litert" or "tflite-runtime"
    threads        {"purify": threads of the purifier, null where nothing was purified; "inference": of the runtime}
    milliseconds   wall time of {"decode", "fit", "raw_inference", "purify", "purified_inference", "judge", "total"};
                   null for "purify" and "purified_inference" where nothing was purified

"prediction_set", "uncertainty", "out_of_distribution" and "alarm" are null where the model's bundle has no calibration,
or none for these parameters; so is the alarm where nothing was purified.
Keys may be added under the same schema; a key that changes its meaning or goes away changes the number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edge_mdda.judgement import NOT_DERMOSCOPIC, Judgement, Score
from edge_mdda.parameters import Parameters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Group

SCHEMA = "edge-mdda/report/1"
DISCLAIMER = "Research software: not a medical device, and no guarantee against an attacker who knows the method."
_BAR = 24


@dataclass(frozen=True)
class Verdict:
    """What the classifier says of one image: probabilities by class code, in the order of the model's outputs."""

    probabilities: Mapping[str, float]

    @property
    def top(self) -> str:
        """Code of the most probable class; the first of them if two are equal."""
        return max(self.probabilities, key=self.probabilities.__getitem__)


@dataclass(frozen=True, eq=False)
class Report:
    """What one assessment found.

    Attributes:
        image: where the image came from, None if it came as bytes or array.
        raw: verdict on the image as it came.
        purified: verdict on the purified image, None where nothing was purified; so for `seed`, `parameters`,
            `purifier_threads` and `purified_pixels`.
        seed: of the noise, in [0, 2⁶⁴).
        parameters: of the purification.
        model_name: what the model's card calls it.
        model_sha256: of the .tflite file.
        runtime: "litert" or "tflite-runtime".
        purifier_threads: threads of the purifier.
        classifier_threads: threads of the runtime.
        milliseconds: wall time by stage, None for a stage that was left out.
        raw_pixels: the image as it was classified, uint8 RGB (height, width, 3) of the model's size.
        purified_pixels: the purified image, the same.
        judgement: which verdict is the answer, and whether to trust it.
        samples: purifications that the purified verdict is the mean of, None where nothing was purified;
            `purified_pixels` is the first of them.
        frames: frames of a camera that both verdicts are the mean of; all else is the newest's.
    """

    image: str | None
    raw: Verdict
    purified: Verdict | None
    seed: int | None
    parameters: Parameters | None
    model_name: str
    model_sha256: str
    runtime: str
    purifier_threads: int | None
    classifier_threads: int
    milliseconds: Mapping[str, float | None]
    raw_pixels: NDArray[np.uint8]
    purified_pixels: NDArray[np.uint8] | None
    judgement: Judgement
    samples: int | None = 1
    frames: int = 1

    @property
    def disagree(self) -> bool | None:
        """Whether purification changed the top class, the alarm signal; None where nothing was purified."""
        return None if self.purified is None else self.raw.top != self.purified.top

    @property
    def answer(self) -> Verdict:
        """The verdict that is taken for the answer."""
        return self.purified if self.purified is not None and self.judgement.answer == "purified" else self.raw

    @property
    def doubtful(self) -> bool:
        """Whether no answer should be given, or the attack alarm rings."""
        return bool(self.judgement.reasons) or self.judgement.alarm

    def to_json(self) -> str:
        """One line of JSON, pure ASCII, of the schema in this module's docstring; the pixels are not in it."""
        return json.dumps(
            {
                "schema": SCHEMA,
                "image": self.image,
                "raw": _verdict_as_dict(self.raw),
                "purified": None if self.purified is None else _verdict_as_dict(self.purified),
                "disagree": self.disagree,
                **_judgement_as_dict(self.judgement, self.answer.top),
                "seed": self.seed,
                "samples": self.samples,
                "frames": self.frames,
                "parameters": None if self.parameters is None else asdict(self.parameters),
                "model": {"name": self.model_name, "sha256": self.model_sha256},
                "runtime": self.runtime,
                "threads": {"purify": self.purifier_threads, "inference": self.classifier_threads},
                "milliseconds": {
                    stage: None if value is None else round(value, 3) for stage, value in self.milliseconds.items()
                },
            },
            allow_nan=False,
        )

    def to_table(self) -> Group:
        """A table for a person, to be printed by rich: a row a class, most probable first, then the finding."""
        from rich.box import SIMPLE_HEAD
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        columns = [("as it came", self.raw, "yellow")]
        if self.purified is not None:
            columns.append(("purified", self.purified, "cyan"))
        table = Table(box=SIMPLE_HEAD)
        for heading in ("class", *(heading for heading, _, _ in columns)):
            table.add_column(heading, no_wrap=True)
        for code in self.ranking():
            row = [Text(code)]
            for _, verdict, colour in columns:
                probability = verdict.probabilities[code]
                bold = "bold" if code == verdict.top else ""
                row.append(Text.assemble((f"{probability:6.1%} ", bold), (_bar(probability).ljust(_BAR), colour)))
            table.add_row(*row)
        finding, origin = self.summary()
        name = Text(printable(self.image or "image"), "bold")
        colour = "bold red" if self.doubtful else "bold"
        advice = [Text(sentence, colour) for sentence in self.advice()]
        return Group(name, table, Text(finding, "bold red" if self.disagree else "bold"), *advice, Text(origin, "dim"))

    def ranking(self) -> list[str]:
        """Class codes, the most probable first, by the purified image where there is one."""
        probabilities = (self.purified or self.raw).probabilities
        return sorted(probabilities, key=probabilities.__getitem__, reverse=True)

    def summary(self) -> tuple[str, str]:
        """The finding, and what it was found with, in a sentence each."""
        origin = f"{self.model_name} ({self.model_sha256[:12]}), {self.runtime}, {self.milliseconds['total']:.0f} ms"
        if self.frames > 1:
            origin += f", mean of {self.frames} frames"
        if self.samples is not None and self.samples > 1:
            origin += f", mean of {self.samples} purifications"
        before = f"{self.raw.top} ({self.raw.probabilities[self.raw.top]:.1%})"
        if self.purified is None:
            return f"{before}, not purified.", origin
        after = f"{self.purified.top} ({self.purified.probabilities[self.purified.top]:.1%})"
        if self.disagree:
            finding = f"Disagreement: {before} as it came, {after} purified: a perturbed image, or a hard one."
        else:
            finding = f"Agreement: {before} as it came, {after} purified."
        return finding, f"{origin}, seed {self.seed}"

    def advice(self) -> list[str]:
        """What to make of it, in plain sentences, the most important first; none where nothing is calibrated."""
        judgement = self.judgement
        lines = []
        if judgement.alarm and judgement.divergence is not None:
            score = judgement.divergence
            lines.append(
                f"Attack alarm: purification changes the verdict by {score.value:.2f}, more than {score.threshold:.2f}."
            )
        if judgement.abstained is None:
            return lines
        reasons = []
        if NOT_DERMOSCOPIC in judgement.reasons:
            reasons.append("this does not look like a dermoscopic image")
        if judgement.uncertainty is not None and judgement.uncertainty.flag:
            sure, needed = 1 - judgement.uncertainty.value, 1 - judgement.uncertainty.threshold
            reasons.append(f"too unsure, {sure:.1%} where {needed:.1%} is needed")
        origin = "purified" if judgement.answer == "purified" else "as it came"
        if reasons:
            lines.append(f"No answer: {'; '.join(reasons)}.")
        else:
            lines.append(f"Answer: {self.answer.top}, {origin}.")
        if judgement.prediction_set is not None and NOT_DERMOSCOPIC not in judgement.reasons:
            classes = ", ".join(judgement.prediction_set)
            lines.append(f"At {judgement.coverage:.0%} coverage it is one of: {classes}.")
        return lines


def printable(text: str) -> str:
    """Text with everything escaped that could move a terminal's cursor, break a line or not be encoded."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _bar(probability: float) -> str:
    eighths = round(probability * _BAR * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _verdict_as_dict(verdict: Verdict) -> dict[str, Any]:
    probabilities = {code: round(float(value), 6) for code, value in verdict.probabilities.items()}
    return {"probabilities": probabilities, "top": verdict.top}


def _judgement_as_dict(judgement: Judgement, top: str) -> dict[str, Any]:
    known = judgement.prediction_set
    return {
        "purify": judgement.purify,
        "answer": {
            "from": judgement.answer,
            "class": top,
            "abstained": judgement.abstained,
            "reasons": list(judgement.reasons),
        },
        "prediction_set": None if known is None else {"coverage": judgement.coverage, "classes": list(known)},
        "uncertainty": _score_as_dict(judgement.uncertainty),
        "out_of_distribution": _score_as_dict(judgement.distance),
        "alarm": _score_as_dict(judgement.divergence),
    }


def _score_as_dict(score: Score | None) -> dict[str, Any] | None:
    if score is None:
        return None
    return {"score": round(score.value, 6), "threshold": round(score.threshold, 6), "flag": score.flag}
