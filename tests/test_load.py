"""The load tool: what it measures of a real service, and that a worse record would be told."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.served import served

pytest.importorskip("aiohttp", reason="needs aiohttp (the extra develop)")
from tools import load

GOOD: dict[str, Any] = {
    "machine": "a machine",
    "others": 0.5,
    "places": 2,
    "seconds": 10.0,
    "single_ms": 50.0,
    "phases": [
        {"clients": 1, "answers": {"200": 200}, "a_second": 20.0, "p50_ms": 50.0, "p99_ms": 60.0, "max_ms": 70.0},
        {
            "clients": 6,
            "answers": {"200": 200, "503": 9},
            "a_second": 20.0,
            "p50_ms": 1e2,
            "p99_ms": 3e2,
            "max_ms": 4e2,
        },
    ],
    "memory": {"early": 100.0, "late": 101.0, "change": 0.01, "samples": [[0.0, 100.0], [1.0, 101.0]]},
}


@pytest.mark.programs
def test_a_real_service_is_driven_past_its_line(tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="needs the extra serve")
    with served("--queue", "1") as service:
        record = asyncio.run(load.load(service.address, service.process.pid, 1, 2.0))
    assert [phase["clients"] for phase in record["phases"]] == [1, 2, 4]
    last = record["phases"][-1]
    assert set(last["answers"]) == {200, 503}
    assert 0 < last["p50_ms"] <= last["p99_ms"] <= last["max_ms"]
    assert record["memory"]["early"] > 50
    pytest.importorskip("matplotlib", reason="needs the extra workstation")
    load.draw(record, tmp_path / "load.png")
    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")


def test_a_good_record_passes_and_its_table_has_the_bound() -> None:
    assert load.verdict(GOOD) == []
    assert "| 6 | 200 | 9 | 20.0 | 100 | 300 | 400 | 300 |" in load.markdown(json.loads(json.dumps(GOOD)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record["phases"][0].update(p99_ms=101.0), "expected a p99 of at most 100 ms with 1 clients"),
        (lambda record: record["phases"][1].update(p99_ms=301.0), "expected a p99 of at most 300 ms with 6 clients"),
        (
            lambda record: record["phases"][1]["answers"].update({"500": 1}),
            r"expected 200 and 503 alone .* \[500\]",
        ),
        (lambda record: record["memory"].update(change=0.06), "expected memory flat within 5%"),
    ],
)
def test_a_worse_record_is_told(change, message: str) -> None:
    record = copy.deepcopy(GOOD)
    change(record)
    (line,) = load.verdict(record)
    assert re.search(message, line)
