"""What the child process does with a camera's frames: pixels in, a report out, averaged over those of one lesion.

A frame comes as it was captured: encoding one as PNG takes longer than assessing it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mdda.assessor import Assessor, Settings
from edge_mdda.errors import ImageError
from edge_mdda.service.worker import Answer

# Height, width, and whether it may be averaged with others.
_HEAD = struct.Struct("<II?")


def pack(pixels: NDArray[np.uint8], average: bool = True) -> bytes:
    """A frame, uint8 RGB (H, W, 3), as a request, and whether it may be averaged with those before and after it."""
    return _HEAD.pack(*pixels.shape[:2], average) + pixels.tobytes()


def unpack(request: bytes) -> tuple[NDArray[np.uint8], bool]:
    """The frame of a request, read-only, and whether it may be averaged.

    Raises:
        ImageError: it is none.
    """
    if len(request) < _HEAD.size:
        raise ImageError(f"expected a frame, got {len(request)} bytes")
    height, width, average = _HEAD.unpack_from(request)
    if len(request) != _HEAD.size + 3 * height * width:
        raise ImageError(f"expected a frame of {width}×{height} pixels, got {len(request)} bytes")
    return np.frombuffer(request, np.uint8, offset=_HEAD.size).reshape(height, width, 3), average


@dataclass(frozen=True)
class FrameReporting:
    """Loads a model and answers a frame with its report, a line of JSON, and the same in sentences, a JSON array.

    A class because a closure cannot be sent to the child.

    Attributes:
        settings: how frames are assessed.
        frames: of how many frames of a lesion the verdicts are averaged.
        gate: whether a frame whose quality warns is kept out of the average; its own report is the answer.
    """

    settings: Settings
    frames: int
    gate: bool

    def __call__(self) -> Callable[[bytes], Answer]:
        assessor = Assessor(self.settings)
        lesion = assessor.lesion(self.frames)

        def answer(request: bytes) -> Answer:
            pixels, average = unpack(request)
            report, messages = assessor.assess(pixels)
            if average and not (self.gate and report.quality.warnings):
                report = lesion.add(report)
            sentences = [report.summary()[0], *report.advice()]
            return Answer([report.to_json().encode(), json.dumps(sentences).encode()], messages)

        return answer
