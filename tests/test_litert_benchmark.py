"""LiteRT's own benchmark is run on the same file, and the medians agree or it is said why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mdda.device import litert_benchmark, subject


@pytest.mark.programs
def test_both_time_the_shipped_model_in_turn() -> None:
    found = litert_benchmark.compare(subject.load(None), 1, 10)
    assert found is not None
    assert len(found["ours_median_ms"]) == len(found["theirs_median_ms"]) == litert_benchmark.ROUNDS
    assert min(found["ours_median_ms"] + found["theirs_median_ms"]) > 0
    # On a busy machine they may differ; then the explanation says so. Nothing but a slip makes them differ twofold.
    assert 0.5 < found["ratio"] < 2
    assert found["agree"] == found["explanation"].endswith("agree within 10%")


def test_without_litert_benchmark_there_is_no_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert_benchmark, "MODULE", "no_such_package.no_such_module")
    assert litert_benchmark.compare(subject.load(None), 1, 5) is None


@pytest.mark.programs
def test_a_benchmark_that_fails_is_no_comparison(tmp_path: Path) -> None:
    assert litert_benchmark._theirs(tmp_path / "missing.tflite", 1, 5) is None


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ([1.0, 1.05, 0.97], "1.00 times theirs (0.97 to 1.05 over 3 rounds): they agree within 10%"),
        ([1.3, 0.9, 1.2], "the machine's speed changes more from round to round than the two differ"),
        ([1.5, 1.6, 1.4], "ours runs Interpreter, theirs runs CompiledModel, which may choose other kernels"),
        ([0.6, 0.7, 0.65], "theirs runs CompiledModel, which may choose other kernels, ours runs Interpreter"),
    ],
)
def test_a_difference_is_explained(ratios: list[float], words: str) -> None:
    assert litert_benchmark.explain(ratios).endswith(words)
