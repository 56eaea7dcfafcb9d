"""The results as a table, a row an image: CSV, or Parquet where pyarrow is installed.

    name, label, split       of the image; empty where the data set tells none
    sha256                   of its file
    seed                     of its noise
    answer, answer_from      class code, and "raw" or "purified"
    abstained, reasons       whether no answer should be given, and why not
    alarm                    whether the attack alarm rings
    disagree                 whether the two verdicts differ
    prediction_set           class codes that may be the true one, most probable first, with spaces between
    uncertainty, distance, divergence
                             the scores behind these flags
    quality_NAME, quality_warnings
                             of the quality gate, where there is one
    raw_CODE, purified_CODE  probabilities
    purified                 the purified image's file, in the folder of the table

Empty, or null, is what is not known: nothing calibrated, nothing purified. Nothing in it depends on order, time or
machine, so two runs with the same seed have the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from edge_mdda.batch.pictures import Picture
from edge_mdda.batch.target import PURIFIED
from edge_mdda.errors import ParameterError

CSV, PARQUET = ".csv", ".parquet"
Row = dict[str, Any]
_SCORES = {"uncertainty": "uncertainty", "distance": "out_of_distribution", "divergence": "alarm"}
_FLAGS = ("abstained", "alarm", "disagree")


def check(name: str) -> None:
    """Raise ParameterError for a name of a table that `encode` could not write."""
    if PurePath(name).name != name or PurePath(name).suffix not in (CSV, PARQUET):
        raise ParameterError(f"expected the name of a table ending in {CSV} or {PARQUET}, got {name!r}")
    if name.endswith(PARQUET):
        try:
            import pyarrow  # noqa: F401
        except ModuleNotFoundError:
            raise ParameterError("expected pyarrow for Parquet (pip install 'edge-mdda[batch]'), got none") from None


def row(picture: Picture, entry: dict[str, Any]) -> Row:
    """The row of an image that is done, of its line in the target's ledger."""
    report, name = entry["report"], text(picture.name)
    known = report["prediction_set"]
    found: Row = {
        "name": name,
        "label": text(picture.label) or None,
        "split": text(picture.split) or None,
        "sha256": entry["sha256"],
        "seed": report["seed"],
        "answer": report["answer"]["class"],
        "answer_from": report["answer"]["from"],
        "abstained": report["answer"]["abstained"],
        "reasons": "; ".join(report["answer"]["reasons"]),
        "alarm": None if report["alarm"] is None else report["alarm"]["flag"],
        "disagree": report["disagree"],
        "prediction_set": None if known is None else " ".join(known["classes"]),
    }
    for column, key in _SCORES.items():
        found[column] = None if report[key] is None else report[key]["score"]
    quality = report.get("quality")
    if quality is not None:
        found |= {f"quality_{measure}": value for measure, value in quality["measures"].items()}
        found["quality_warnings"] = "; ".join(warning["name"] for warning in quality["warnings"])
    for verdict in ("raw", "purified"):
        of = report[verdict] or {"probabilities": dict.fromkeys(report["raw"]["probabilities"])}
        found |= {f"{verdict}_{code}": value for code, value in of["probabilities"].items()}
    return {**found, "purified": None if entry["purified"] is None else f"{PURIFIED}/{name}.png"}


def encode(name: str, rows: list[Row]) -> bytes:
    """The table, in the format that its name ends in."""
    return _parquet(rows) if name.endswith(PARQUET) else to_csv(columns(rows), rows)


def columns(rows: Iterable[Row]) -> list[str]:
    """The names of all columns, in the order in which they come up."""
    return list(dict.fromkeys(name for each in rows for name in each))


def to_csv(names: list[str], rows: Iterable[Row]) -> bytes:
    """CSV with these columns as its header; truth values are "true" and "false", what is not known is empty."""
    content = io.StringIO(newline="")
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(names)
    for each in rows:
        writer.writerow([_cell(each.get(name)) for name in names])
    return content.getvalue().encode()


def text(value: str) -> str:
    """A name or label as text that UTF-8 can hold: bytes of a name that it cannot are escaped."""
    return value.encode("utf-8", "backslashreplace").decode()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _parquet(rows: list[Row]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    names = columns(rows)
    arrays = [pyarrow.array([each.get(name) for each in rows], _type(pyarrow, name)) for name in names]
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(arrays, names), sink)
    return bytes(sink.getvalue().to_pybytes())


def _type(pyarrow: Any, name: str) -> Any:
    """The type of a column, by its name: one in which nothing is known has it too."""
    if name == "seed":
        return pyarrow.uint64()
    if name in _FLAGS:
        return pyarrow.bool_()
    number = name in _SCORES or (name.startswith(("raw_", "purified_", "quality_")) and name != "quality_warnings")
    return pyarrow.float64() if number else pyarrow.string()
