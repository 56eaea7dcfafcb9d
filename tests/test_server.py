"""The parts of the service by themselves: its line, its events, its archive, its metrics."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
from edge_mdda.device.sensors import Reading
from edge_mdda.errors import InferenceError, OutputError, ParameterError, TooLateError
from edge_mdda.server.answers import ReportAnswer
from edge_mdda.server.archive import Archive
from edge_mdda.server.events import Events
from edge_mdda.server.limits import MAX_LISTENERS, Limits
from edge_mdda.server.line import Line
from edge_mdda.server.metrics import Metrics
from edge_mdda.server.problems import Problem
from edge_mdda.service.supervisor import Supervisor
from tests import stand_ins
from tests.kills import killed_at
from tests.program import CHECKOUT
from tests.test_report import FOUND

REPORT = {
    "answer": {"class": "NV", "abstained": False},
    "alarm": {"flag": True},
    "quality": {"warnings": [{"name": "focus", "message": "hold still"}]},
    "milliseconds": {"decode": 2.0, "purify": None, "total": 20.0},
}


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor(stand_ins.prepare, preload=stand_ins.NAME, deadline=0.5)
    yield supervisor
    supervisor.close()


@pytest.mark.programs
def test_the_line_is_bounded_and_a_failure_costs_one_place(supervisor: Supervisor) -> None:
    async def work() -> None:
        line = Line(supervisor, places=2)
        assert not line.ready
        await line.start()
        assert line.ready
        asking = [asyncio.ensure_future(line.ask(request)) for request in (b"hang", b"crash", b"next")]
        await asyncio.sleep(0.1)
        assert line.waiting == 2
        with pytest.raises(Problem, match="expected at most 2 requests to wait"):
            await line.ask(b"too many")
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(each) for each in found[:2]] == [TooLateError, InferenceError]
        assert found[2].answer.parts[1] == b"next"
        assert found[2].waited >= 0.4
        assert line.failures == {"crashed": 1, "late": 1}
        await line.close()
        with pytest.raises(Problem, match="got the end of the service"):
            await line.ask(b"late")

    asyncio.run(work())


@pytest.mark.programs
def test_who_leaves_the_line_is_never_worked_on(supervisor: Supervisor) -> None:
    async def work() -> None:
        line = Line(supervisor, places=2)
        await line.start()
        first = asyncio.ensure_future(line.ask(b"hang"))
        await asyncio.sleep(0.05)
        leaving: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        second = asyncio.ensure_future(line.ask(b"crash", leaving))
        await asyncio.sleep(0.05)
        leaving.set_result(None)
        assert await second is None
        await asyncio.sleep(0.05)
        assert line.waiting == 0
        with pytest.raises(InferenceError):
            await first
        assert line.failures["crashed"] == 0
        await line.close()

    asyncio.run(work())


def test_events_reach_all_and_who_is_slow_loses_the_oldest() -> None:
    async def work() -> None:
        events = Events()
        streams = [events.listen() for _ in range(MAX_LISTENERS)]
        with pytest.raises(Problem, match="expected at most 16 listeners"):
            events.listen()
        for number in range(100):
            events.publish("report", str(number))
        for stream in streams[:2]:
            assert await anext(stream) == b": edge_mdda\n\n"
            assert await anext(stream) == b"event: report\nid: 69\ndata: 68\n\n"
            await stream.aclose()
        assert events.listeners == MAX_LISTENERS - 2
        events.close()
        assert [part async for part in streams[2]] == [b": edge_mdda\n\n"]

    asyncio.run(work())


def rows(folder: Path, table: str) -> list[str]:
    with (folder / f"ISIC_2019_Training_{table}.csv").open(newline="") as file:
        return [row["image"] for row in csv.DictReader(file)]


def test_the_archive_reads_as_the_official_layout_does(tmp_path: Path) -> None:
    from edge_mdda import labelled

    archive = Archive(tmp_path / "kept")
    names = [archive.keep(b"picture", b"sent", REPORT) for _ in range(3)]
    with pytest.raises(OutputError, match="another at work"):
        Archive(tmp_path / "kept")
    archive.close()
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    assert rows(tmp_path / "kept", "GroundTruth") == rows(tmp_path / "kept", "Metadata") == names
    audit = [json.loads(line) for line in (tmp_path / "kept" / "audit.jsonl").read_text().splitlines()]
    assert [line["image"] for line in audit] == names
    assert labelled.is_data_set(tmp_path / "kept")
    again = Archive(tmp_path / "kept")
    again.keep(b"picture", b"sent", REPORT)
    again.close()
    assert len(rows(tmp_path / "kept", "Metadata")) == 4


def test_an_archive_cut_off_anywhere_has_all_of_an_image_that_it_tells_of(memory_folder: Path) -> None:
    Archive(memory_folder / "kept").close()
    step, more = 0, True
    while more:
        more = killed_at(step, lambda: Archive(memory_folder / "kept").keep(b"picture", b"sent", REPORT))
        step += 1
    archive = Archive(memory_folder / "kept")
    archive.keep(b"picture", b"sent", REPORT)
    archive.close()
    folder = memory_folder / "kept"
    told = [json.loads(line)["image"] for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert len(told) >= 2
    assert step > 10
    for name in told:
        assert (folder / "ISIC_2019_Training_Input" / f"{name}.jpg").read_bytes() == b"picture"
    for table in ("GroundTruth", "Metadata"):
        found = rows(folder, table)
        assert set(told) <= set(found)
        assert len(set(found)) == len(found)
        assert all((folder / "ISIC_2019_Training_Input" / f"{name}.jpg").exists() for name in found)


def test_what_a_full_disk_refuses_leaves_nothing(tmp_path: Path) -> None:
    """In a process of its own, whose files may have no more than some bytes, as on a full disk."""
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from edge_mdda.server.archive import Archive; from edge_mdda.errors import OutputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "archive = Archive(Path(sys.argv[1])); archive.keep(b'p', b's', {})\n"
        "size = (Path(sys.argv[1]) / 'audit.jsonl').stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, size + 10))\n"
        "try:\n    archive.keep(b'p', b's', {})\nexcept OutputError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "kept"], capture_output=True, text=True, cwd=CHECKOUT)
    assert "expected to write" in done.stdout, done.stderr
    assert len(rows(tmp_path / "kept", "GroundTruth")) == len(rows(tmp_path / "kept", "Metadata")) == 1
    assert len(os.listdir(tmp_path / "kept" / "ISIC_2019_Training_Input")) == 1


class _Sensors:
    def read(self) -> Reading:
        return Reading(clock_mhz=1500.0, temperature_c=81.5, watts=None, flags=("throttled", "under-voltage"))


def test_metrics_tell_of_alarms_warnings_temperature_and_throttling(supervisor: Supervisor) -> None:
    metrics = Metrics(Line(supervisor, 4), Events(), _Sensors())  # type: ignore[arg-type]
    metrics.report(REPORT)
    for number in range(100):
        metrics.report({**REPORT, "answer": {"class": f"made up {number}", "abstained": None}})
    metrics.report({**REPORT, "answer": {"class": "NV", "abstained": True}, "alarm": None})
    text = metrics.text().decode()
    for line in (
        "edge_mdda_alarms_total 101.0",
        'edge_mdda_answers_total{answer="NV"} 1.0',
        'edge_mdda_answers_total{answer="abstained"} 1.0',
        'edge_mdda_quality_warnings_total{name="focus"} 102.0',
        'edge_mdda_stage_seconds_count{stage="total"} 102.0',
        "edge_mdda_temperature_celsius 81.5",
        "edge_mdda_throttled 1.0",
        'edge_mdda_throttling_reason{reason="under-voltage"} 1.0',
        "edge_mdda_clock_hertz 1.5e+09",
        "edge_mdda_worker_ready 0.0",
    ):
        assert line in text, line
    assert "watts" not in text
    assert text.count("edge_mdda_answers_total{") <= 66  # whatever a worker makes up


def test_limits_are_checked() -> None:
    with pytest.raises(ParameterError, match=r"expected --timeout in \[0.1, 3600\], got nan"):
        Limits(timeout=float("nan"))
    with pytest.raises(ParameterError, match="expected --max-connections in"):
        Limits(connections=1)


def test_the_description_of_an_answer_has_every_key_of_the_report() -> None:
    described = {field.alias or name for name, field in ReportAnswer.model_fields.items()}
    report = json.loads(FOUND.to_json())
    assert described == set(report)
    ReportAnswer.model_validate(report)
