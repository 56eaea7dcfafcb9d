"""Everything an assessment needs, loaded once and kept from image to image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_mdda import terminal
from edge_mdda.judgement import COVERAGE, Mode
from edge_mdda.parameters import EDGE, Parameters
from edge_mdda.report import Report

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Settings:
    """How images are assessed; plain values, so that they can be sent to another process.

    Attributes:
        parameters: of the purification.
        purify: which image gives the answer, as `edge_mdda.assess` takes it.
        coverage: of the prediction sets, 0.50 to 0.99.
        samples: purifications of each image whose probabilities are averaged, in [1, 64].
        model: the bundle's folder, None for the installed one (`edge_mdda.bundle_store.in_use`) or the shipped one.
        runtime: "auto", "litert" or "tflite-runtime".
        threads: of the purifier and the runtime, None for what each takes by itself.
    """

    parameters: Parameters = EDGE
    purify: Mode | None = None
    coverage: float = COVERAGE
    samples: int = 1
    model: Path | None = None
    runtime: str = "auto"
    threads: int | None = None


class Assessor:
    """A loaded model and purifier; a class because loading takes longer than assessing.

    Attributes:
        warnings: what native libraries wrote to standard error while the model was loaded.

    Raises:
        EdgeMddaError: the model or the runtime cannot be used, or the model is not calibrated for `purify` "auto".
    """

    def __init__(self, settings: Settings) -> None:
        import numpy as np

        from edge_mdda import bundle_store, model
        from edge_mdda.classifier import Classifier
        from edge_mdda.doubt import choose_mode
        from edge_mdda.limits import MIN_SIDE
        from edge_mdda.purifier import Purifier

        bundle = bundle_store.in_use() if settings.model is None else model.load(settings.model)
        self._coverage = settings.coverage
        self._samples = settings.samples
        self._purify = choose_mode(settings.purify, settings.parameters, bundle.calibration)
        with terminal.native_messages() as messages:
            self._classifier = Classifier(bundle, runtime=settings.runtime, threads=settings.threads)
        self.warnings = [message for message in messages if not message.startswith("INFO:")]
        self._purifier = None
        if self._purify != "never":
            self._purifier = Purifier(settings.parameters, threads=settings.threads)
            # Loads the kernels, as the model was loaded: 0.7 s that the first image is not to blame for.
            self._purifier.purify(np.zeros((MIN_SIDE, MIN_SIDE, 3), np.uint8), seed=0)

    def assess(self, image: bytes | NDArray[Any], seed: int | None = None) -> tuple[Report, list[str]]:
        """The report on an image, and what native libraries wrote to standard error meanwhile.

        Args:
            image: encoded, or its pixels, as `edge_mdda.assess` takes it.
            seed: of the noise; fresh by default.

        Raises:
            ImageError: the image cannot be used.
        """
        from edge_mdda.assessment import assess

        with terminal.native_messages() as messages:
            report = assess(
                image,
                self._purifier,
                self._classifier,
                seed=seed,
                purify=self._purify,
                coverage=self._coverage,
                samples=self._samples,
            )
        return report, messages

    def average(self, reports: Sequence[Report]) -> Report:
        """One report on several frames of a lesion, the newest last: see `edge_mdda.averaging`."""
        from edge_mdda.averaging import average

        return average(reports, self._classifier.bundle.calibration)
