"""tools.averaging counts looks rightly, simulates frames that differ a little, and goes on where it was ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
from tests.conftest import draw
from tools import averaging
from tools.sections import fill

pytestmark = pytest.mark.workstation

RECORD = Path("models/averaging.json")
LABELS = np.array([0, 1])


def test_means_are_over_looks_in_a_row() -> None:
    looks = np.arange(4 * 2 * 2, dtype=float).reshape(4, 2, 2)
    assert np.array_equal(averaging.means(looks, 1), looks)
    assert np.array_equal(averaging.means(looks, 2), [(looks[0] + looks[1]) / 2, (looks[2] + looks[3]) / 2])
    assert np.array_equal(averaging.means(looks, 4), [looks.mean(axis=0)])


def test_a_row_has_the_gain_of_averaging_votes_that_are_mostly_right() -> None:
    """Each image is taken for the wrong class, less surely, in every fourth look: the mean of four is right."""
    right, wrong = np.array([0.9, 0.1]), np.array([0.4, 0.6])
    looks = np.stack(
        [np.stack([right, right[::-1]]) if look % 4 else np.stack([wrong, wrong[::-1]]) for look in range(16)]
    )
    found = averaging.rows(looks[:1], looks, LABELS, None)
    assert [row["looks"] for row in found] == [1, 2, 4, 8, 16]
    assert [row["purified"]["accuracy"] for row in found] == [0.75, 1, 1, 1, 1]
    assert found[2]["purified"]["accuracy_difference"] == pytest.approx(0.25)
    assert found[2]["purified"]["log_loss"] == pytest.approx(-np.log((3 * 0.9 + 0.4) / 4))


def test_a_frame_is_the_picture_moved_a_little_and_each_is_another() -> None:
    from edge_mdda import image
    from edge_mdda.averaging import LEAST_LIKENESS, likeness

    picture = image.to_uint8(draw(96, 96))
    first, again, second = (averaging.film(picture[None], number)[0] for number in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    assert first.shape == picture.shape
    assert likeness(first, second) > LEAST_LIKENESS


def test_parts_that_are_there_are_not_measured_again(tmp_path: Path) -> None:
    head: dict[str, Any] = {"schema": "x", "model": "m"}
    counted: list[str] = []

    def part(name: str) -> averaging.Part:
        return lambda: counted.append(name) or {"images": 1}

    file = tmp_path / "record.json"
    averaging.measure(head, {"samples/edge/val": part("first")}, file)
    parts = {"samples/edge/val": part("again"), "samples/edge/test": part("second")}
    record = averaging.measure(head, parts, file)
    assert counted == ["first", "second"]
    assert json.loads(file.read_text()) == record
    assert set(record["samples"]["edge"]) == {"val", "test"}
    with pytest.raises(Exception, match="expected a record of this model"):
        averaging.measure({**head, "model": "other"}, parts, file)


def test_the_pages_tables_are_those_of_the_record() -> None:
    page = Path("models/AVERAGING.md").read_text()
    assert fill(page, "averaging", averaging.markdown(json.loads(RECORD.read_text()))) == page


def test_the_figure_can_be_drawn_of_the_record(tmp_path: Path) -> None:
    averaging.draw(json.loads(RECORD.read_text()), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
