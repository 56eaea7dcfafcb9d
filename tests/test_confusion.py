"""The figure of confusion matrices."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs the workstation extra")
from tools import confusion

CODES = ("MEL", "NV")


def decode(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def test_the_same_matrices_make_the_same_bytes():
    matrices = {"raw": [[3, 1], [0, 4]], "edge": [[2.5, 1.5], [0, 4]]}
    content = confusion.draw(matrices, CODES)
    assert content == confusion.draw(matrices, CODES)
    assert content != confusion.draw(matrices | {"edge": [[2, 2], [0, 4]]}, CODES)


@pytest.mark.parametrize("panels", [1, 2, 3, 4])
def test_every_panel_is_drawn(panels):
    one = decode(confusion.draw({"raw": [[3, 1], [0, 4]]}, CODES)).shape
    rows, columns = -(-panels // 2), min(2, panels)
    drawn = decode(confusion.draw({str(number): [[3, 1], [0, 4]] for number in range(panels)}, CODES))
    assert drawn.shape == (one[0] * rows, one[1] * columns, 3)


def test_a_class_without_images_is_drawn():
    assert decode(confusion.draw({"raw": [[0, 0], [1, 3]]}, CODES)).std() > 0
