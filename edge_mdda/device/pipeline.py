"""The real pipeline, timed stage by stage: `assess` as `edge-mdda classify` calls it, and the JSON of its report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image, interpreter
from edge_mdda.assessment import assess
from edge_mdda.classifier import Classifier
from edge_mdda.device.subject import Subject
from edge_mdda.interpreter import Operator
from edge_mdda.parameters import Parameters
from edge_mdda.purifier import Purifier
from edge_mdda.workspace import Workspace

#: Parts of a purification. A block does three of them in one pass over memory, see `_shares`.
PARTS = ("load", "pyramid", "noise", "tv", "aggregation", "fuse", "store")
#: Stages of one image, in order; `purify` is the sum of its parts.
STAGES = (
    *("decode", "resize", "quality", "raw_inference", *PARTS, "purify", "purified_inference", "judge", "report"),
    "total",
)
#: Calls that are not counted: caches and clocks settle.
WARM_UP = 3
#: Rounds in which a block's parts are told apart.
SPLITTING = 15

#: One image through: milliseconds by stage.
Once = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Ready:
    """A model, and what is around it, loaded.

    Attributes:
        once: runs one image through and times it.
        operators: of the model, none where the runtime does not tell.
        runtime: its name.
    """

    once: Once
    operators: list[Operator]
    runtime: str


def prepare(subject: Subject, parameters: Parameters, threads: int, runtime: str, encoded: bytes) -> Ready:
    """Load everything that one image needs.

    Raises:
        EdgeMddaError: the model, the runtime or the image cannot be used.
    """
    if subject.bundle is None:
        model = interpreter.open_any(subject.content, runtime, threads)

        def infer() -> dict[str, float]:
            start = time.perf_counter()
            model.run()
            taken = (time.perf_counter() - start) * 1000
            return {"raw_inference": taken, "total": taken}

        return Ready(infer, model.operators(), model.runtime)

    classifier = Classifier(subject.bundle, runtime=runtime, threads=threads)
    laps = _Laps()
    purifier = Purifier(parameters, threads=threads, on_stage=laps.mark)
    pixels = image.fit(image.decode(encoded), subject.bundle.height, subject.bundle.width)
    shares = _shares(parameters, threads, pixels.astype(np.float32) / np.float32(255))

    def once() -> dict[str, float]:
        laps.start()
        report = assess(encoded, purifier, classifier, seed=0)
        before = time.perf_counter()
        report.to_json()
        written = (time.perf_counter() - before) * 1000
        taken: dict[str, float] = {name: value or 0.0 for name, value in report.milliseconds.items()}
        return {
            "decode": taken["decode"],
            "resize": taken["fit"],
            "quality": taken["quality"],
            "raw_inference": taken["raw_inference"],
            **_parts(laps, shares, taken["purify"]),
            "purify": taken["purify"],
            "purified_inference": taken["purified_inference"],
            "judge": taken["judge"],
            "report": written,
            "total": taken["total"] + written,
        }

    return Ready(once, classifier.operators(), classifier.runtime)


class _Laps:
    """Milliseconds of each finished stage of a purification; a class because it remembers when the last ended."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.taken: list[tuple[str, float]] = []
        self._last = time.perf_counter()

    def mark(self, stage: str) -> None:
        now = time.perf_counter()
        self.taken.append((stage, (now - self._last) * 1000))
        self._last = now

    def of(self, stage: str) -> list[float]:
        return [value for name, value in self.taken if name == stage]


class _Mixing(Purifier):
    """A purifier whose blocks only bring the scales together: neither noise nor denoising."""

    def __init__(self, parameters: Parameters, threads: int, on_stage: Callable[[str], object]):
        super().__init__(parameters, threads=threads, on_stage=on_stage)
        self._blocks_in_kernel = False

    def _denoise(self, workspace: Workspace, keys: NDArray[np.uint32], planes: NDArray[np.float32]) -> None:
        pass


def _shares(parameters: Parameters, threads: int, unit: NDArray[np.float32]) -> NDArray[np.float64]:
    """Parts of a block's time that go into mixing scales, noise and total variation: (2, 3), first block and others.

    A block does all three in one pass over memory, so they cannot be timed in it. The same kernels are run with
    denoising left out, and with noise left out too; what that saves is theirs. An estimate: a pass that does less
    waits for memory at other places.
    """
    if parameters.blocks == 0:
        return np.zeros((2, 3))
    laps = _Laps()
    variants = (
        Purifier(parameters, threads=threads, on_stage=laps.mark),
        Purifier(replace(parameters, iterations=0), threads=threads, on_stage=laps.mark),
        _Mixing(parameters, threads=threads, on_stage=laps.mark),
    )
    out = np.empty_like(unit)
    taken = np.zeros((len(variants), SPLITTING, 2))
    for round_ in range(-1, SPLITTING):  # one round that is not counted
        for number, purifier in enumerate(variants):
            laps.start()
            purifier.purify(unit, 0, out)
            first, *others = laps.of("block")
            if round_ >= 0:
                taken[number, round_] = first, float(np.mean(others or [first]))
    whole, without_denoising, mixing = np.median(taken, axis=1)
    parts = np.stack([mixing, without_denoising - mixing, whole - without_denoising], axis=1).clip(0)
    return np.asarray(parts / parts.sum(axis=1, keepdims=True), np.float64)


def _parts(laps: _Laps, shares: NDArray[np.float64], purify: float) -> dict[str, float]:
    """Milliseconds of `PARTS`, which add up to the whole purification."""
    blocks = np.array(laps.of("block"))
    mixing, noise, tv = (
        np.array([value * shares[min(number, 1), part] for number, value in enumerate(blocks)]) for part in range(3)
    )
    (aggregate,), (fuse,), (store,) = (laps.of(stage) for stage in ("aggregate", "fuse", "store"))
    return {
        "load": purify - float(blocks.sum()) - aggregate - fuse - store,
        "pyramid": float(mixing[:1].sum()),
        "noise": float(noise.sum()),
        "tv": float(tv.sum()),
        "aggregation": float(mixing[1:].sum()) + aggregate,
        "fuse": fuse,
        "store": store,
    }
