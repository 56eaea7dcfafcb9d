"""What a profile measures: plain values, so that the command line can check them before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_mdda import interpreter
from edge_mdda.errors import ParameterError
from edge_mdda.parameters import PRESETS

#: A quantile of fewer times says nothing.
FEWEST_IMAGES = 5


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        model: a bundle's folder or a .tflite file; None for the shipped bundle.
        preset: name of the purification's parameters.
        runtime: as `interpreter.open` takes it.
        threads: numbers of threads, each measured on its own.
        images: counted images of each.
        minutes: of the long run, 0 for none.
        image: the picture's file; None for a drawn one.
        starts: whether the first call of new processes is measured.

    Raises:
        ParameterError: one of them is out of its range.
    """

    model: Path | None
    preset: str
    runtime: str
    threads: tuple[int, ...]
    images: int
    minutes: float
    image: Path | None
    starts: bool

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ParameterError(f"expected preset out of {', '.join(PRESETS)}, got {self.preset!r}")
        for count in self.threads or (0,):
            interpreter.check_options(self.runtime, count)
        if self.images < FEWEST_IMAGES:
            raise ParameterError(f"expected at least {FEWEST_IMAGES} images, got {self.images}")
        if not 0 <= self.minutes <= 24 * 60:
            raise ParameterError(f"expected minutes in [0, 1440], got {self.minutes}")


def threads_by_default(allowed: int) -> tuple[int, ...]:
    """1, 2 and 4 threads, as far as there are cores for them."""
    return tuple(count for count in (1, 2, 4) if count <= allowed) or (1,)


def parse_threads(text: str) -> tuple[int, ...]:
    """The numbers of threads in a list such as "1,2,4", in its order, each once.

    Raises:
        ParameterError: not such a list.
    """
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise ParameterError(f"expected threads as in 1,2,4, got {text!r}") from None
