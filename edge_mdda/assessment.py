"""The main job as one straight function: an image in, a report out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mdda import averaging, doubt, seeds
from edge_mdda import image as gate
from edge_mdda.classifier import Classifier
from edge_mdda.errors import ParameterError
from edge_mdda.judgement import COVERAGE, Mode, percent
from edge_mdda.limits import MAX_SAMPLES
from edge_mdda.purifier import Purifier, draw_seed
from edge_mdda.report import Report, Verdict

STAGES = ("decode", "fit", "raw_inference", "purify", "purified_inference", "judge")


def assess(
    image: bytes | NDArray[Any],
    purifier: Purifier | None = None,
    classifier: Classifier | None = None,
    *,
    seed: int | None = None,
    purify: Mode | None = None,
    coverage: float = COVERAGE,
    samples: int = 1,
    path: str | None = None,
) -> Report:
    """Classify an image as it came and purified, and judge which of the two to believe, if any.

    Args:
        image: an encoded JPEG or PNG image, or RGB pixels: uint8, or float32 in [0, 1], (H, W, 3), sides ≥ 32. It is
            squashed to the model's size before anything else.
        purifier: a new one with the preset EDGE by default; give one to keep its memory from call to call.
        classifier: a new one of the shipped model by default; give one to load the model once.
        seed: of the noise, 0 ≤ seed < 2⁶⁴; drawn from the operating system by default.
        purify: whether the answer is taken from the purified image: "always", "never" – then nothing is purified and
            that half of the report stays empty – or "auto", only where the attack alarm rings. By default "auto" if
            the model is calibrated for the purifier's parameters, otherwise "always".
        coverage: part of the images of each class that have it in their prediction set, 0.50 to 0.99 in whole per cent.
        samples: how often the image is purified, in [1, 64], each time with noise of its own (`edge_mdda.seeds`); the
            probabilities are averaged. The thresholds of the judgement are calibrated for one; `tools.averaging`
            measures what they do to more.
        path: what the report calls the image.

    Raises:
        ImageError: the image is not one, or over a limit.
        ModelError, RuntimeMissingError: no classifier was given and the shipped model cannot be loaded.
        ParameterError: the seed, the coverage or the samples are out of their range, or `purify` is "auto" and the
            model is not calibrated for it.
    """
    classifier = classifier or Classifier()
    percent(coverage)
    if not 1 <= samples <= MAX_SAMPLES:
        raise ParameterError(f"expected samples in [1, {MAX_SAMPLES}], got {samples}")
    active = None if purify == "never" else (purifier or Purifier())
    calibration = classifier.bundle.calibration
    parameters = None if active is None else active.parameters
    mode = doubt.choose_mode(purify, parameters, calibration)
    if active is not None and seed is None:
        seed = draw_seed()

    clock = _Clock()
    pixels = gate.decode(image) if isinstance(image, bytes) else gate.check(image)
    clock.lap("decode")
    fitted = gate.fit(pixels, classifier.bundle.height, classifier.bundle.width)
    unit: NDArray[np.float32] = fitted.astype(np.float32)
    if fitted.dtype == np.uint8:
        unit /= np.float32(255)
    clock.lap("fit")
    raw = _verdict(classifier, unit)
    clock.lap("raw_inference")
    purified = cleaned = None
    if active is not None:
        assert seed is not None
        verdicts = []
        for each in seeds.derive(seed, samples):
            view = active.purify(unit, each)
            cleaned = view if cleaned is None else cleaned  # the picture that is shown: that of the seed itself
            clock.lap("purify")
            verdicts.append(_verdict(classifier, view))
            clock.lap("purified_inference")
        purified = averaging.mean(verdicts)
    raw_pixels = gate.to_uint8(unit)
    judgement = doubt.judge(
        raw_pixels,
        raw.probabilities,
        None if purified is None else purified.probabilities,
        purify=mode,
        parameters=parameters,
        calibration=calibration,
        coverage=coverage,
    )
    clock.lap("judge")

    return Report(
        image=path,
        raw=raw,
        purified=purified,
        seed=None if active is None else seed,
        parameters=parameters,
        model_name=classifier.bundle.name,
        model_sha256=classifier.bundle.sha256,
        runtime=classifier.runtime,
        purifier_threads=None if active is None else active.threads,
        classifier_threads=classifier.threads,
        milliseconds=clock.stop(),
        raw_pixels=raw_pixels,
        purified_pixels=None if cleaned is None else gate.to_uint8(cleaned),
        judgement=judgement,
        samples=None if active is None else samples,
    )


class _Clock:
    """Milliseconds of stages, which may come again; a class because it remembers the last lap."""

    def __init__(self) -> None:
        self._milliseconds: dict[str, float | None] = dict.fromkeys(STAGES)
        self._start = self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self._milliseconds[stage] = (self._milliseconds[stage] or 0) + (now - self._last) * 1000
        self._last = now

    def stop(self) -> dict[str, float | None]:
        return {**self._milliseconds, "total": (time.perf_counter() - self._start) * 1000}


def _verdict(classifier: Classifier, unit: NDArray[np.float32]) -> Verdict:
    probabilities = classifier.classify(unit).tolist()
    return Verdict(dict(zip(classifier.labels, probabilities, strict=True)))
