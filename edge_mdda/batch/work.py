"""One job: an image assessed. The same job has the same outcome in every process, whatever else it is at.

The seed of an image's noise is made of its content and of the seed of the run, so it depends neither on the order nor
on the worker. Whoever knows image and seed knows the noise: fit for research, where results must come again, and not
for a device that is under attack (there `edge-mdda classify` draws its seeds).
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from edge_mdda import __version__
from edge_mdda.assessor import Assessor, Settings
from edge_mdda.errors import EdgeMddaError, ImageError, InferenceError, ModelError

# A worker of a cluster may have several threads, and an assessor one image at a time.
_ONE_AT_A_TIME = threading.Lock()
#: Of a report, what depends on the machine and the moment, or is the same for all images of a run.
_NOT_KEPT = ("schema", "image", "parameters", "model", "runtime", "threads", "milliseconds")


@dataclass(frozen=True)
class Job:
    """An image to be assessed, with all it takes; what `identity` said where the run was started."""

    name: str
    content: bytes
    sha256: str
    seed: int
    settings: Settings
    identity: str


@dataclass(frozen=True)
class Outcome:
    """What became of an image.

    Attributes:
        name: the job's, like `sha256`.
        report: as `edge_mdda.report` describes it, less `_NOT_KEPT`; None where it failed.
        purified: the purified image as PNG; None where nothing was purified.
        error: class of `edge_mdda.errors` and its text; None where nothing failed.
        warnings: lines that native libraries wrote.
    """

    name: str
    sha256: str
    report: dict[str, Any] | None = None
    purified: bytes | None = None
    error: tuple[str, str] | None = None
    warnings: tuple[str, ...] = ()


def seed_of(sha256: str, run: int) -> int:
    """The seed of an image's noise, in [0, 2⁶⁴): of the hash of its file, hexadecimal, and of the run's seed."""
    return int.from_bytes(hashlib.sha256(f"{sha256} {run}".encode()).digest()[:8], "big")


def identity(settings: Settings) -> dict[str, Any]:
    """What results depend on beside images and seed: this package, the model's files, the runtime, the settings.

    Raises:
        EdgeMddaError: the model or the runtime cannot be used, or the model is not calibrated for them.
    """
    from edge_mdda import bundle_store, interpreter, model
    from edge_mdda.doubt import choose_mode

    bundle = bundle_store.in_use() if settings.model is None else model.load(settings.model)
    choose_mode(settings.purify, settings.parameters, bundle.calibration)
    given = asdict(settings)
    for name in ("model", "runtime", "threads"):  # where it is; what is chosen; of no effect
        del given[name]
    return {
        "version": __version__,
        "model": {"name": bundle.name, "labels": list(bundle.labels), "sha256": bundle.card["sha256"]},
        "runtime": interpreter.available(settings.runtime),
        "settings": given,
    }


def assess(job: Job) -> Outcome:
    """Do a job; what is the image's fault is in the outcome.

    Raises:
        EdgeMddaError: what stops all images: the model, the runtime, or a worker with others than the run has.
    """
    with _ONE_AT_A_TIME:
        assessor = _assessor(job.settings, job.identity)
        try:
            report, messages = assessor.assess(job.content, job.seed)
        except ImageError as error:
            return failed(job, error)
        except MemoryError:
            return failed(job, ImageError("expected enough memory for this image, got too little"))
        except EdgeMddaError:
            raise
        except Exception as error:  # a fault of ours or of a library's, which one image out of thousands meets
            return failed(job, InferenceError(f"expected an answer, got {type(error).__name__}: {error}"))
    found = {key: value for key, value in json.loads(report.to_json()).items() if key not in _NOT_KEPT}
    purified = None
    if report.purified_pixels is not None:
        from edge_mdda.image import encode_png

        purified = encode_png(report.purified_pixels)
    return Outcome(job.name, job.sha256, found, purified, None, tuple(messages))


def failed(job: Job, error: EdgeMddaError) -> Outcome:
    """The outcome of an image that cannot be assessed."""
    return Outcome(job.name, job.sha256, error=(type(error).__name__, str(error)))


def lost(job: Job) -> Outcome:
    """The outcome of an image that several workers died of."""
    return failed(job, InferenceError("expected an answer, got the end of each process that was asked"))


@lru_cache(maxsize=1)
def _assessor(settings: Settings, expected: str) -> Assessor:
    found = json.dumps(identity(settings), sort_keys=True)
    if found != expected:
        raise ModelError(f"expected a worker with {expected}, got one with {found}")
    return Assessor(settings)
