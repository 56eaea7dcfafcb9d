"""`edge-mdda batch` as a researcher runs it: the real program, alone and on a cluster, killed and going on."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_mdda import image
from tests.conftest import draw, draw_data_set
from tests.program import CHEAP, CHECKOUT, PROGRAM, errors, refused, run

pytestmark = pytest.mark.programs

TABLES = {"results.csv", "failures.csv", "summary.json", "summary.html", "summary.svg"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen labelled images, two of each class, and one more that is none."""
    folder = draw_data_set(tmp_path_factory.mktemp("data"), ("val", "test"), 1)
    (folder / "images" / "broken.jpg").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[bytes]]:
    """The folder that one process makes of them, and how it ended."""
    out = tmp_path_factory.mktemp("alone") / "out"
    return out, run("batch", data, out, *CHEAP)


def made(folder: Path) -> dict[str, bytes]:
    """Every file of a folder of results but the ledger, whose lines come in the order in which images were done."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".edge-mdda" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def pictures(folder: Path) -> int:
    return sum(1 for _ in (folder / "purified").rglob("*.png"))


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [*PROGRAM, "batch", *map(str, arguments), *CHEAP]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=CHECKOUT, env=environment, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_pictures(folder: Path, count: int, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while pictures(folder) < count:
        assert time.monotonic() < end, f"expected {count} pictures within {seconds} s"
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


def test_a_data_set_becomes_a_table_pictures_and_a_summary(
    alone: tuple[Path, subprocess.CompletedProcess[bytes]],
) -> None:
    out, process = alone
    assert process.returncode == 3
    told = process.stdout.decode()
    assert "17 images, 1 failed" in told
    assert [word in told for word in ("as it came", "purified", "balanced", "test", "val")] == [True] * 5
    assert errors(process) == [
        "edge-mdda: images/broken.jpg: expected a JPEG or PNG image, got something else",
        f"edge-mdda: 1 failed, see {out}/failures.csv; the next run tries them again",
    ]
    files = made(out)
    assert {name for name in files if "/" not in name} == TABLES
    rows = list(csv.DictReader(files["results.csv"].decode().splitlines()))
    assert len(rows) == 16
    assert {row["split"] for row in rows} == {"val", "test"}
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    for row in rows:
        assert image.decode(files[row["purified"]]).shape == (224, 224, 3)
    assert b"images/broken.jpg" in files["failures.csv"]


def test_the_next_run_does_nothing_twice_and_other_tables_from_what_is_known(
    alone: tuple[Path, subprocess.CompletedProcess[bytes]], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(alone[0], out)
    before = {path: path.stat().st_mtime_ns for path in (out / "purified").rglob("*.png")}
    again = run("batch", data, out, *CHEAP, "--table", "other.csv")
    assert again.returncode == 3
    assert {path: path.stat().st_mtime_ns for path in (out / "purified").rglob("*.png")} == before
    assert made(out) == {**made(alone[0]), "other.csv": made(alone[0])["results.csv"]}


def test_killed_again_and_again_it_comes_to_the_same(
    alone: tuple[Path, subprocess.CompletedProcess[bytes]], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        before = pictures(out)
        with started(data, out) as process:
            wait_for_pictures(out, before + 3, process)
            process.send_signal(signal.SIGKILL)
    assert pictures(out) < 16
    assert run("batch", data, out, *CHEAP).returncode == 3
    assert made(out) == made(alone[0])


def test_interrupted_it_ends_with_130_and_goes_on(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with started(data, out) as process:
        wait_for_pictures(out, 2, process)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.decode().splitlines()[-1] == "edge-mdda: interrupted"


class TestCluster:
    @pytest.fixture(autouse=True)
    def dask(self) -> None:
        pytest.importorskip("distributed", reason="needs the extra batch")

    def test_two_processes_of_which_one_is_killed_come_to_the_same(
        self, alone: tuple[Path, subprocess.CompletedProcess[bytes]], data: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        with started(data, out, "--workers", "2") as process:
            wait_for_pictures(out, 2, process)
            os.kill(worker_of(process.pid), signal.SIGKILL)
            stdout, stderr = process.communicate(timeout=300)
        assert process.returncode == 3, stderr
        assert stdout.decode().splitlines()[:-1] == alone[1].stdout.decode().splitlines()[:-1]
        assert made(out) == made(alone[0])

    def test_interrupted_it_ends_quietly_with_all_its_processes(self, data: Path, tmp_path: Path) -> None:
        """As a terminal does it: Ctrl-C goes to every process."""
        out = tmp_path / "out"
        with started(data, out, "--workers", "2") as process:
            wait_for_pictures(out, 2, process)
            os.killpg(process.pid, signal.SIGINT)
            _, told = process.communicate(timeout=60)
        assert process.returncode == 130
        assert told.decode().splitlines()[-1] == "edge-mdda: interrupted"
        assert b"Traceback" not in told

    def test_a_running_scheduler_is_used(
        self, alone: tuple[Path, subprocess.CompletedProcess[bytes]], data: Path, tmp_path: Path
    ) -> None:
        """The cluster is another program's: a scheduler and one worker, that import this package and see no image."""
        out = tmp_path / "out"
        with cluster() as (address, worker):
            with started(data, out, "--scheduler", address) as process:
                _, stderr = process.communicate(timeout=300)
            assert process.returncode == 3, stderr
            assert worker.poll() is None
        assert made(out) == made(alone[0])

    def test_where_no_scheduler_is_it_is_refused(self, data: Path, tmp_path: Path) -> None:
        impatient = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
        told = refused(run("batch", data, tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9", **impatient), 2)
        assert "expected a Dask scheduler with workers at tcp://127.0.0.1:9, got: " in told


@contextmanager
def cluster() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and a worker as `dask scheduler` and `dask worker` start them."""
    program = """
import asyncio, sys
from distributed import Scheduler, Worker

async def serve():
    async with Scheduler(host="127.0.0.1", dashboard_address="127.0.0.1:0") as scheduler:
        async with Worker(scheduler.address, nthreads=2, dashboard_address="127.0.0.1:0") as worker:
            print(scheduler.address, flush=True)
            await worker.finished()

asyncio.run(serve())
"""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen([*PROGRAM[:1], "-c", program], stdout=subprocess.PIPE, env=environment)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip(), process
    finally:
        process.kill()
        process.communicate()


def worker_of(pid: int) -> int:
    """A Dask worker among the children of a process: one that was spawned, and not what watches over semaphores."""
    threads = (path / "children" for path in Path(f"/proc/{pid}/task").iterdir())
    children = [child for path in threads for child in path.read_text().split()]
    return next(int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "out"], "expected a folder with images, got missing"),
        (["models/samples", "models/samples/out"], "expected SRC and DST apart, got models/samples/out inside"),
        (["models/samples", "models"], "expected SRC and DST apart, got models/samples inside models"),
        (["models/samples", "tests"], "expected tests new, empty or of an earlier run, got one with"),
        (["models/samples", "LICENSE"], "expected a folder for results, got LICENSE: Not a directory"),
        (["models/samples", "out", "--workers", "0"], "expected --workers in [1, 256], got 0"),
        (
            ["models/samples", "out", "--scheduler", "there"],
            "expected --scheduler local or tcp://HOST:PORT, got",
        ),
        (["models/samples", "out", "--scheduler", "tcp://a:1", "--workers", "2"], "got both"),
        (["models/samples", "out", "--table", "results.xlsx"], "expected the name of a table ending in .csv or"),
        (["models/samples", "out", "--table", "failures.csv"], "expected another name for --table, got failures.csv"),
        (["models/samples", "out", "--split", "test"], "expected a split out of none, got 'test'"),
        (["models/samples", "out", "--seed", "-1"], "expected seed in [0, 2^64), got -1"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments: list[str], message: str) -> None:
    assert message in refused(run("batch", *arguments), 2)
    assert not (CHECKOUT / "out").exists()


def test_another_seed_in_the_same_folder_is_refused(
    alone: tuple[Path, subprocess.CompletedProcess[bytes]], data: Path
) -> None:
    before = made(alone[0])
    assert "got seed 1 in place of 0" in refused(run("batch", data, alone[0], *CHEAP, "--seed", "1"), 2)
    assert made(alone[0]) == before


def test_without_images_and_labels_there_is_still_a_table(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(image.encode_png(image.to_uint8(draw(40, 40))))
    process = run("batch", tmp_path / "in", tmp_path / "out", "--no-images", *CHEAP)
    assert process.returncode == 0
    assert process.stdout.decode().startswith("1 images, 0 failed")
    assert made(tmp_path / "out").keys() == TABLES
