"""What a run found in all its images together, as plain values: the content of summary.json.

schema      "edge-mdda/batch/1"
run         what results depend on, see `edge_mdda.batch.work.identity`, with the seed
images      how many there are; "failed": of these, without a report
answers     {class code: {"given": images with that answer, "abstained": where none should be given}, …}
abstained, alarms, disagreements, quality_warnings
            how many images; null where it is not known
scored      [for all images with a known label and for each split of them:
             {"of": "all images" or the split, "images": how many,
              "ways": [{"way": one of `WAYS`, "images": how many it has, "accuracy", "accuracy_95": Wilson's
                        interval, "balanced_accuracy", "confusion": true classes in rows}, …],
              "prediction_set": {"coverage": part of the images with their class in it, "mean_size": …} or null}]
failures    [{"name", "kind", "message"}, …]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edge_mdda import metrics
from edge_mdda.batch.table import Row

SCHEMA = "edge-mdda/batch/1"
ALL = "all images"


def _top(verdict: str) -> Callable[[Row, list[str]], str | None]:
    def top(row: Row, labels: list[str]) -> str | None:
        found = {code: row[f"{verdict}_{code}"] for code in labels}
        known = {code: value for code, value in found.items() if value is not None}
        return max(known, key=known.__getitem__) if known else None

    return top


def _answer(row: Row, labels: list[str]) -> str | None:
    return str(row["answer"])


def _given(row: Row, labels: list[str]) -> str | None:
    return None if row["abstained"] is None or row["abstained"] else str(row["answer"])


#: What can be scored: the class that a row says, None where it says none.
WAYS: dict[str, Callable[[Row, list[str]], str | None]] = {
    "as it came": _top("raw"),
    "purified": _top("purified"),
    "answer": _answer,
    "answer, where given": _given,
}


def compute(run: dict[str, Any], rows: Sequence[Row], failures: Sequence[Row]) -> dict[str, Any]:
    """The summary of the rows of a table (`edge_mdda.batch.table`) and of what failed."""
    labels: list[str] = run["model"]["labels"]
    answers = {code: {"given": 0, "abstained": 0} for code in labels}
    for row in rows:
        answers[row["answer"]]["abstained" if row["abstained"] else "given"] += 1
    known = [row for row in rows if row["label"] in labels]
    splits = list(dict.fromkeys(row["split"] for row in known if row["split"]))
    groups = [(ALL, known), *((split, [row for row in known if row["split"] == split]) for split in sorted(splits))]
    return {
        "schema": SCHEMA,
        "run": run,
        "images": len(rows) + len(failures),
        "failed": len(failures),
        "answers": answers,
        "abstained": _count(rows, "abstained"),
        "alarms": _count(rows, "alarm"),
        "disagreements": _count(rows, "disagree"),
        "quality_warnings": _count(rows, "quality_warnings"),
        "scored": [_score(of, group, labels) for of, group in groups if group],
        "failures": [{key: failure[key] for key in ("name", "kind", "message")} for failure in failures],
    }


def _count(rows: Sequence[Row], column: str) -> int | None:
    """In how many rows something is so; None where no row knows."""
    known = [row[column] for row in rows if row.get(column) is not None]
    return sum(map(bool, known)) if known else None


def _score(of: str, rows: Sequence[Row], labels: list[str]) -> dict[str, Any]:
    ways = []
    for way, predict in WAYS.items():
        pairs = [(row["label"], predict(row, labels)) for row in rows]
        known = [(labels.index(label), labels.index(found)) for label, found in pairs if found is not None]
        if not known:
            continue
        truth, found = np.array(known).T
        matrix = metrics.confusion(truth, found, len(labels))
        low, high = metrics.wilson(int(np.trace(matrix)), len(known))
        ways.append(
            {
                "way": way,
                "images": len(known),
                "accuracy": _rounded(metrics.accuracy(matrix)),
                "accuracy_95": [_rounded(low), _rounded(high)],
                "balanced_accuracy": _rounded(metrics.balanced_accuracy(matrix)),
                "confusion": matrix.tolist(),
            }
        )
    sets = [(row["label"], row["prediction_set"].split()) for row in rows if row["prediction_set"] is not None]
    known_sets = None
    if sets:
        covered = sum(label in classes for label, classes in sets)
        mean_size = sum(len(classes) for _, classes in sets) / len(sets)
        known_sets = {"coverage": _rounded(covered / len(sets)), "mean_size": _rounded(mean_size)}
    return {"of": of, "images": len(rows), "ways": ways, "prediction_set": known_sets}


def _rounded(value: float) -> float:
    return round(value, 6)
