"""What the child process does for the server: the only code of it that decodes pixels and runs a model.

A request to the child is a line of JSON, the task, and the bytes of an encoded image; see `Task`. It answers with

    assess    the report, JSON as `edge_mdda.report` describes it, and if asked for the image as JPEG for the archive
    purify    the purified image as PNG, and {"seed": of the noise, "milliseconds": {"decode", "purify", "encode"}}
    describe  what `GET /v1/model` answers
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import edge_mdda
from edge_mdda import terminal
from edge_mdda.assessor import Settings
from edge_mdda.errors import TooLargeError
from edge_mdda.judgement import Mode
from edge_mdda.parameters import PRESETS, Parameters
from edge_mdda.service.worker import Answer

if TYPE_CHECKING:
    from edge_mdda.purifier import Purifier

#: JPEG quality of archived images.
ARCHIVE_QUALITY = 95

Size: TypeAlias = Literal["own", "model"]


@dataclass(frozen=True)
class Task:
    """One request to the child.

    Attributes:
        kind: what to do.
        preset: of the purification, None for the server's own parameters.
        purify: which image gives the answer, None for the server's choice.
        coverage: of the prediction sets, None for the server's choice.
        samples: purifications whose probabilities are averaged, None for the server's choice.
        seed: of the noise, None for a fresh one.
        size: "own" purifies the image as it is, "model" squashed to the model's size first, as an assessment does.
        keep: whether to answer with the image for the archive too.
        image: encoded.
    """

    kind: Literal["assess", "purify", "describe"]
    preset: str | None = None
    purify: Mode | None = None
    coverage: float | None = None
    samples: int | None = None
    seed: int | None = None
    size: Size = "own"
    keep: bool = False
    image: bytes = b""

    def to_bytes(self) -> bytes:
        """The task as it goes through the pipe."""
        plain = asdict(self)
        image = plain.pop("image")
        return b"\n".join([json.dumps(plain).encode(), image])

    @classmethod
    def from_bytes(cls, request: bytes) -> Task:
        """The task that came out of the pipe."""
        line, _, image = request.partition(b"\n")
        return cls(**json.loads(line), image=image)


@dataclass(frozen=True)
class Serving:
    """Loads a model and answers tasks; a class because a closure cannot be sent to the child.

    Attributes:
        settings: the server's own, for what a task leaves open.
        max_pixels: of an image.
        max_purified_pixels: of an image that is purified at its own size.
    """

    settings: Settings
    max_pixels: int
    max_purified_pixels: int

    def __call__(self) -> Callable[[bytes], Answer]:
        bench = _Bench(self.settings)

        def answer(request: bytes) -> Answer:
            task = Task.from_bytes(request)
            if task.kind == "describe":
                return bench.describe()
            self._check(task)
            return bench.assess(task) if task.kind == "assess" else bench.purify(task)

        return answer

    def _check(self, task: Task) -> None:
        """Refuse an image with too many pixels by its header.

        Raises:
            ImageError: it is none, or has too many pixels.
        """
        from edge_mdda.image import read_header

        header = read_header(task.image)
        own = task.kind == "purify" and task.size == "own"
        most = min(self.max_pixels, self.max_purified_pixels) if own else self.max_pixels
        if header.width * header.height > most:
            hint = ", or size=model" if own else ""
            raise TooLargeError(f"expected at most {most} pixels{hint}, got {header.width}×{header.height}")


class _Bench:
    """One model, and a purifier for each preset that was asked for: a purifier keeps its memory, a model loads slowly.

    `edge_mdda.assessor.Assessor` has one of each, as the commands want it.
    """

    def __init__(self, settings: Settings) -> None:
        from edge_mdda import bundle_store, model
        from edge_mdda.classifier import Classifier
        from edge_mdda.doubt import choose_mode

        self._settings = settings
        self._bundle = bundle_store.in_use() if settings.model is None else model.load(settings.model)
        choose_mode(settings.purify, settings.parameters, self._bundle.calibration)
        with terminal.native_messages():
            self._classifier = Classifier(self._bundle, runtime=settings.runtime, threads=settings.threads)
        self._purifiers: dict[Parameters, Purifier] = {}
        self._purifier(settings.parameters)

    def assess(self, task: Task) -> Answer:
        from edge_mdda.assessment import assess

        settings = self._settings
        parameters, mode = self._parameters(task), task.purify or settings.purify
        with terminal.native_messages() as messages:
            report = assess(
                task.image,
                None if mode == "never" else self._purifier(parameters),
                self._classifier,
                seed=task.seed,
                purify=mode,
                coverage=settings.coverage if task.coverage is None else task.coverage,
                samples=settings.samples if task.samples is None else task.samples,
            )
            parts = [report.to_json().encode()]
            if task.keep:
                from edge_mdda.image import decode, encode_jpeg

                parts.append(encode_jpeg(decode(task.image), ARCHIVE_QUALITY))
        return Answer(parts, messages)

    def purify(self, task: Task) -> Answer:
        from edge_mdda import image
        from edge_mdda.purifier import draw_seed

        seed = draw_seed() if task.seed is None else task.seed
        purifier = self._purifier(self._parameters(task))
        times = [time.perf_counter()]
        with terminal.native_messages() as messages:
            pixels = image.decode(task.image)
            if task.size == "model":
                pixels = image.fit(pixels, self._bundle.height, self._bundle.width)
            times.append(time.perf_counter())
            purified = purifier.purify(pixels, seed)
            times.append(time.perf_counter())
            encoded = image.encode_png(purified)
            times.append(time.perf_counter())
        laps = {
            stage: round((end - start) * 1000, 3)
            for stage, start, end in zip(("decode", "purify", "encode"), times, times[1:], strict=False)
        }
        return Answer([encoded, json.dumps({"seed": seed, "milliseconds": laps}).encode()], messages)

    def describe(self) -> Answer:
        from edge_mdda.doubt import choose_mode

        settings, bundle = self._settings, self._bundle
        preset = next((name for name, parameters in PRESETS.items() if parameters == settings.parameters), None)
        description = {
            "name": bundle.name,
            "sha256": bundle.sha256,
            "labels": list(bundle.labels),
            "input": {"height": bundle.height, "width": bundle.width},
            "calibrated": bundle.calibration is not None,
            "runtime": self._classifier.runtime,
            "preset": preset,
            "presets": {name: asdict(parameters) for name, parameters in PRESETS.items()},
            "parameters": asdict(settings.parameters),
            "purify": choose_mode(settings.purify, settings.parameters, bundle.calibration),
            "coverage": settings.coverage,
            "samples": settings.samples,
            "version": edge_mdda.__version__,
        }
        return Answer([json.dumps(description).encode()])

    def _parameters(self, task: Task) -> Parameters:
        return self._settings.parameters if task.preset is None else PRESETS[task.preset]

    def _purifier(self, parameters: Parameters) -> Purifier:
        import numpy as np

        from edge_mdda.limits import MIN_SIDE
        from edge_mdda.purifier import Purifier

        if parameters not in self._purifiers:
            self._purifiers[parameters] = purifier = Purifier(parameters, threads=self._settings.threads)
            # Loads the kernels, which the first image is not to blame for.
            purifier.purify(np.zeros((MIN_SIDE, MIN_SIDE, 3), np.uint8), seed=0)
        return self._purifiers[parameters]
