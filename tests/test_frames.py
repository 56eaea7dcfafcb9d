"""A camera's frame goes to the child as it is; what is none is refused, and a bad one stays out of the average."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_mdda import image
from edge_mdda.assessor import Settings
from edge_mdda.errors import ImageError
from edge_mdda.service.frames import FrameReporting, pack, unpack
from tests.recordings import grey

SHARP = image.decode(Path("models/samples/lesion.png").read_bytes())


def test_a_frame_comes_out_as_it_went_in() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for wanted in (True, False):
        same, average = unpack(pack(pixels, wanted))
        assert np.array_equal(same, pixels)
        assert average is wanted


@pytest.mark.parametrize("request_", [b"", b"123", pack(grey(1))[:-1], pack(grey(1)) + b"1"])
def test_what_is_no_frame_is_refused(request_: bytes) -> None:
    with pytest.raises(ImageError, match="expected a frame"):
        unpack(request_)


def test_frames_of_a_lesion_are_averaged_but_for_bad_and_moved_ones() -> None:
    answer = FrameReporting(Settings(threads=1), frames=5, gate=True)()

    def frames(pixels: np.ndarray, average: bool = True) -> int:
        report, sentences = (json.loads(part) for part in answer(pack(pixels, average)).parts)
        assert all(isinstance(sentence, str) for sentence in sentences)
        return int(report["frames"])

    assert not json.loads(answer(pack(SHARP)).parts[0])["quality"]["warnings"]
    assert [frames(SHARP), frames(grey(2)), frames(SHARP, average=False), frames(SHARP)] == [2, 1, 1, 3]
