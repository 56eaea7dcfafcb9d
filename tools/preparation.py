"""What a network was trained to be fed, made of an RGB image in [0, 1] by the network itself once it is converted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

COLOURS = ("RGB", "BGR")
Triple = tuple[float, float, float]

# The options of a command line that reads a source.
InputRange = Annotated[
    tuple[float, float], typer.Option(help="What SOURCE was trained to take for black and for white: low, high.")
]
Mean = Annotated[Triple, typer.Option(help="Subtracted after that, in the order of SOURCE's channels.")]
Deviation = Annotated[Triple, typer.Option("--std", help="Divided by after that, likewise.")]
Colour = Annotated[str, typer.Option(help=f"Order of SOURCE's channels: {' or '.join(COLOURS)}.")]


@dataclass(frozen=True)
class Preparation:
    """How the input of a network is made of an RGB image in [0, 1]: (rgb · (high - low) + low - mean) / deviation.

    Attributes:
        low: what the network takes for black.
        high: what it takes for white.
        mean: subtracted from each channel, in the order of the network's channels.
        deviation: divides each channel, likewise; > 0.
        colour: order of the network's channels, out of `COLOURS`.

    Raises:
        ValueError: black and white are the same, a deviation is not positive, or an unknown order of channels.
    """

    low: float = 0.0
    high: float = 1.0
    mean: Triple = (0.0, 0.0, 0.0)
    deviation: Triple = (1.0, 1.0, 1.0)
    colour: str = "RGB"

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"expected an input range of low < high, got {self.low:g} and {self.high:g}")
        if min(self.deviation) <= 0:
            raise ValueError(f"expected deviations above 0, got {self.deviation}")
        if self.colour not in COLOURS:
            raise ValueError(f"expected the order of channels out of {', '.join(COLOURS)}, got {self.colour!r}")

    @property
    def is_identity(self) -> bool:
        matrix, offset = self.affine()
        return bool((matrix == np.eye(3)).all() and not offset.any())

    def affine(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same as one affine map of the colours of a pixel: matrix (3, 3), channels in rows, and offset (3,)."""
        deviation = np.array(self.deviation)
        order = slice(None) if self.colour == "RGB" else slice(None, None, -1)
        matrix = np.eye(3)[order] * ((self.high - self.low) / deviation)[:, None]
        return matrix.astype(np.float32), ((self.low - np.array(self.mean)) / deviation).astype(np.float32)

    def apply(self, unit: NDArray[Any]) -> NDArray[np.float32]:
        """Prepare RGB images in [0, 1], (N, H, W, 3): float32 of the same shape."""
        matrix, offset = self.affine()
        return np.asarray(unit @ matrix.T + offset, np.float32)

    def __str__(self) -> str:
        text = f"{self.colour} in [{self.low:g}, {self.high:g}]"
        if any(self.mean) or self.deviation != (1, 1, 1):
            text += f" less {self.mean} over {self.deviation}"
        return text
