"""The table and the summary say what the reports say, and nothing that depends on the machine."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from xml.etree import ElementTree

import pytest

from edge_mdda.batch import figures, page, summary, table
from edge_mdda.batch.pictures import Picture
from edge_mdda.errors import ParameterError

LABELS = ["MEL", "NV", "BCC"]
RUN = {"version": "1", "model": {"name": "m", "labels": LABELS}, "seed": 0}


def entry(
    raw: str, purified: str | None, *, abstained: bool = False, alarm: bool = False, **more: Any
) -> dict[str, Any]:
    """A line of the ledger: verdicts that are 80 % sure of a class, the purified one being the answer, if any."""

    def verdict(top: str) -> dict[str, Any]:
        return {"probabilities": {code: 0.8 if code == top else 0.1 for code in LABELS}, "top": top}

    answer = {"from": "raw" if purified is None else "purified", "class": purified or raw, "abstained": abstained}
    report = {
        "raw": verdict(raw),
        "purified": purified and verdict(purified),
        "disagree": None if purified is None else raw != purified,
        "answer": {**answer, "reasons": ["unsure"] if abstained else []},
        "prediction_set": {"coverage": 0.9, "classes": [purified or raw, "BCC"]},
        "uncertainty": {"score": 0.2, "threshold": 0.3, "flag": abstained},
        "out_of_distribution": None,
        "alarm": None if purified is None else {"score": 2.5, "threshold": 1.0, "flag": alarm},
        "seed": 2**64 - 1 if purified else None,
        **more,
    }
    return {"name": "n", "sha256": "ab", "stamp": [1, 2, 3], "report": report, "purified": purified and "cd"}


def row(label: str, split: str, *arguments: Any, **keywords: Any) -> dict[str, Any]:
    return table.row(Picture(f"{label}.png", None, label, split), entry(*arguments, **keywords))  # type: ignore[arg-type]


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    return [
        row("MEL", "val", "MEL", "NV", alarm=True),
        row("NV", "val", "NV", "NV"),
        row("NV", "test", "MEL", "NV", abstained=True),
        row("BCC", "test", "NV", "BCC"),
        row("UNK", "", "NV", "NV"),
        row("", "", "NV", "NV"),
    ]


def parsed(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_a_row_holds_what_the_report_says(rows: list[dict[str, Any]]) -> None:
    found = parsed(table.encode("results.csv", rows))[0]
    assert found == {
        **{"name": "MEL.png", "label": "MEL", "split": "val", "sha256": "ab", "seed": "18446744073709551615"},
        **{"answer": "NV", "answer_from": "purified", "abstained": "false", "reasons": "", "alarm": "true"},
        **{"disagree": "true", "prediction_set": "NV BCC", "uncertainty": "0.2", "distance": "", "divergence": "2.5"},
        **{"raw_MEL": "0.8", "raw_NV": "0.1", "raw_BCC": "0.1"},
        **{"purified_MEL": "0.1", "purified_NV": "0.8", "purified_BCC": "0.1", "purified": "purified/MEL.png.png"},
    }


def test_where_nothing_was_purified_or_is_known_cells_are_empty() -> None:
    found = parsed(table.encode("results.csv", [row("", "", "MEL", None)]))[0]
    assert [found[name] for name in ("label", "seed", "alarm", "purified_NV", "purified")] == [""] * 5


def test_quality_has_its_columns_where_there_is_a_gate() -> None:
    quality = {"measures": {"focus": 1.5, "glare": 0.25}, "warnings": [{"name": "glare", "message": "clean the lens"}]}
    found = parsed(table.encode("results.csv", [row("", "", "MEL", "NV", quality=quality), row("", "", "MEL", "NV")]))
    assert [found[0][f"quality_{name}"] for name in ("focus", "glare", "warnings")] == ["1.5", "0.25", "glare"]
    assert found[1]["quality_focus"] == ""


def test_a_name_that_is_no_text_is_escaped() -> None:
    name = 'a "b",\n\udcff.png'
    found = table.row(Picture(name, None), entry("MEL", "NV"))  # type: ignore[arg-type]
    assert parsed(table.encode("results.csv", [found]))[0]["name"] == 'a "b",\n\\udcff.png'


def test_parquet_holds_the_same_with_types(rows: list[dict[str, Any]]) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra batch")
    parquet = pytest.importorskip("pyarrow.parquet")
    content = table.encode("results.parquet", rows)
    read = parquet.read_table(pyarrow.BufferReader(content))
    assert read.to_pylist() == [{name: each.get(name) for name in table.columns(rows)} for each in rows]
    types = {name: str(read.schema.field(name).type) for name in ("seed", "alarm", "raw_MEL", "name", "distance")}
    assert types == {"seed": "uint64", "alarm": "bool", "raw_MEL": "double", "name": "string", "distance": "double"}
    assert table.encode("results.parquet", rows) == content


@pytest.mark.parametrize("name", ["results.txt", "folder/results.csv", "../results.csv", "results", ".csv"])
def test_another_kind_of_table_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=r"expected the name of a table ending in \.csv or \.parquet"):
        table.check(name)


def test_parquet_without_pyarrow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ParameterError, match="expected pyarrow for Parquet"):
        table.check("results.parquet")
    table.check("results.csv")


class TestSummary:
    @pytest.fixture
    def found(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        failure = {"name": "<b>.png", "sha256": None, "kind": "ImageError", "message": "damaged & bad"}
        return summary.compute(RUN, rows, [failure])

    def test_it_counts(self, found: dict[str, Any]) -> None:
        counts = {key: found[key] for key in ("images", "failed", "abstained", "alarms", "disagreements")}
        assert counts == {"images": 7, "failed": 1, "abstained": 1, "alarms": 1, "disagreements": 3}
        assert found["quality_warnings"] is None
        assert found["answers"]["NV"] == {"given": 4, "abstained": 1}
        assert found["answers"]["MEL"] == {"given": 0, "abstained": 0}

    def test_it_scores_each_way_to_answer_for_each_split(self, found: dict[str, Any]) -> None:
        assert [(of["of"], of["images"]) for of in found["scored"]] == [("all images", 4), ("test", 2), ("val", 2)]
        ways = {of["way"]: of for of in found["scored"][0]["ways"]}
        assert [ways[way]["accuracy"] for way in ways] == [0.5, 0.75, 0.75, pytest.approx(2 / 3, abs=1e-6)]
        # MEL 1 of 1, NV 1 of 2, BCC 0 of 1; then MEL 0, NV 2 of 2, BCC 1
        assert ways["as it came"]["balanced_accuracy"] == 0.5
        assert ways["purified"]["balanced_accuracy"] == pytest.approx(2 / 3, abs=1e-6)
        assert ways["as it came"]["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 1, 0]]
        assert ways["answer, where given"]["images"] == 3
        assert found["scored"][0]["prediction_set"] == {"coverage": 0.75, "mean_size": 2.0}

    def test_it_is_json_a_page_and_a_drawing(self, found: dict[str, Any]) -> None:
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        drawing = figures.file(found)
        assert ElementTree.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
        assert all(f">{code}<" in drawing for code in LABELS)
        assert "as it came: 50.0%, balanced 50.0%, 4 images" in drawing
        written = page.to_html(found)
        assert "&lt;b&gt;.png" in written
        assert "damaged &amp; bad" in written
        assert "not a medical device" in written
        assert "<script" not in written

    def test_without_labels_it_has_the_answers_alone(self) -> None:
        found = summary.compute(RUN, [row("", "", "MEL", None)], [])
        assert found["scored"] == []
        assert found["alarms"] is None
        assert "Confusion" not in page.to_html(found)
        ElementTree.fromstring(figures.file(found))

    def test_of_nothing_it_is_empty(self) -> None:
        found = summary.compute(RUN, [], [])
        assert (found["images"], found["scored"]) == (0, [])
        page.to_html(found)
        figures.file(found)
