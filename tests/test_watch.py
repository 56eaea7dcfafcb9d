"""Every image that arrives is done once: through kills at every step, full disks, changed and deleted files."""

from __future__ import annotations

import errno
import json
import os
import random
import secrets
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edge_mdda import limits, output
from edge_mdda.errors import ImageError, InferenceError, ModelError, OutputError
from edge_mdda.service import watch as module
from edge_mdda.service.arrivals import Arrivals
from edge_mdda.service.journal import Journal
from edge_mdda.service.shelf import Shelf
from edge_mdda.service.watch import STATE, Watch
from edge_mdda.service.worker import Answer
from tests.kills import killed_at


def ask(content: bytes) -> Answer:
    """A report like no other, so that a second one of the same image would show."""
    if content.startswith(b"bad"):
        raise ImageError("expected an image, got bad")
    if content.startswith(b"crash"):
        raise InferenceError("expected an answer, got a crash (SIGSEGV)")
    if content.startswith(b"strange"):
        return Answer([b"no json", b""])
    report = {"schema": "edge-mdda/report/1", "token": secrets.token_hex(8), "milliseconds": {"total": 1.0}}
    return Answer([json.dumps(report).encode(), b"figure of " + content])


class House:
    """A folder of images and one of reports; a class because every test has them."""

    def __init__(self, folder: Path) -> None:
        self.images, self.out = folder / "images", folder / "out"
        self.images.mkdir()

    def drop(self, name: str, content: bytes = b"image") -> None:
        (self.images / name).write_bytes(content)

    def work(self, *, once: bool = True, **options: Any) -> list[dict[str, Any]]:
        """Run the loop over what is there; returns the reports it made."""
        done: list[dict[str, Any]] = []
        journal = Journal(self.out / STATE)
        try:
            options = {"ask": ask, "on_done": done.append, **options}
            Watch(
                Arrivals(self.images, settle=0, patience=0), Shelf(self.out), journal, state=self.out / STATE, **options
            ).run(once=once)
        finally:
            journal.close()
        return done

    def report(self, name: str) -> dict[str, Any]:
        return json.loads((self.out / f"{name}.report.json").read_text())

    def reports(self) -> dict[str, bytes]:
        return {path.name.removesuffix(".report.json"): path.read_bytes() for path in self.out.glob("*.report.json")}

    def figures(self) -> set[str]:
        return {path.name.removesuffix(".figure.png") for path in self.out.glob("*.figure.png")}

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / STATE / "journal.jsonl").read_text().splitlines()]


@pytest.fixture
def house(memory_folder: Path) -> House:
    return House(memory_folder)


def test_an_image_is_done_once_with_a_report_of_its_content(house: House) -> None:
    house.drop("a.png", b"one")
    (report,) = house.work()
    assert house.report("a.png") == report
    assert report["image"] == str(house.images / "a.png")
    assert report["file"]["bytes"] == 3
    assert (house.out / "a.png.figure.png").read_bytes() == b"figure of one"
    assert house.work() == []
    assert house.report("a.png") == report


def test_the_same_content_under_another_name_is_another_image(house: House) -> None:
    house.drop("a.png")
    house.drop("a.jpg")
    assert len(house.work()) == 2
    assert house.figures() == {"a.png", "a.jpg"}


def test_a_touched_image_is_not_repeated_and_a_changed_one_is_new(house: House) -> None:
    house.drop("a.png", b"one")
    (first,) = house.work()
    os.utime(house.images / "a.png", (1, 1))
    house.drop("b.png")
    assert [report["image"] for report in house.work()] == [str(house.images / "b.png")]
    assert house.report("a.png") == first
    house.drop("a.png", b"two")
    (second,) = house.work()
    assert second["token"] != first["token"]
    assert (house.out / "a.png.figure.png").read_bytes() == b"figure of two"


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"bad", "ImageError"), (b"crash", "InferenceError"), (b"strange", "InferenceError")],
)
def test_an_image_that_fails_is_told_once_and_the_rest_goes_on(
    house: House, capsys: pytest.CaptureFixture[str], content: bytes, kind: str
) -> None:
    house.drop("a.png", content)
    house.drop("b.png")
    assert len(house.work()) == 2
    failure = house.report("a.png")
    assert failure["schema"] == "edge-mdda/failure/1"
    assert failure["error"]["kind"] == kind
    assert failure["file"]["bytes"] == len(content)
    assert capsys.readouterr().err == f"edge-mdda: {failure['image']}: {failure['error']['message']}\n"
    assert house.figures() == {"b.png"}
    assert [line["outcome"] for line in house.lines()] == ["failed", "reported"]
    assert house.work() == []


def test_a_failed_image_takes_the_figure_of_an_earlier_one_away_and_can_be_mended(house: House) -> None:
    for content in (b"good", b"bad", b"good again"):
        house.drop("a.png", content)
        house.work()
        assert house.figures() == (set() if content == b"bad" else {"a.png"})
    assert house.report("a.png")["schema"] == "edge-mdda/report/1"


def test_an_image_too_large_to_read_fails(house: House) -> None:
    with (house.images / "a.png").open("wb") as file:
        file.truncate(limits.MAX_BYTES + 1)
    (failure,) = house.work()
    assert failure["error"]["message"] == f"expected at most {limits.MAX_BYTES} bytes, got {limits.MAX_BYTES + 1}"
    assert failure["file"] is None


def test_an_image_that_cannot_be_read_fails_until_that_changes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.drop("a.png")
    real = Path.open

    def refuse(path: Path, *arguments: Any) -> Any:
        if path.suffix == ".png":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *arguments)

    monkeypatch.setattr(Path, "open", refuse)
    (failure,) = house.work()
    assert failure["error"]["message"] == "expected a readable file, got: Permission denied"
    assert house.work() == []
    monkeypatch.undo()
    assert house.work() == []
    (house.images / "a.png").chmod(0o640)
    assert len(house.work()) == 1


def test_a_model_that_cannot_be_loaded_ends_the_service_and_fails_no_image(house: House) -> None:
    def broken(content: bytes) -> Answer:
        raise ModelError("expected a model, got none")

    house.drop("a.png")
    with pytest.raises(ModelError):
        house.work(ask=broken)
    assert house.reports() == {}
    assert len(house.work()) == 1


def test_an_image_that_changes_while_it_is_read_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.drop("a.png", b"first")
    real, changes = module.stamp_of, iter([True])

    def stamp_of(status: os.stat_result) -> Any:
        if next(changes, False):
            house.drop("a.png", b"second")
        return real(status)

    monkeypatch.setattr(module, "stamp_of", stamp_of)
    (report,) = house.work()
    assert report["file"]["bytes"] == 6


def test_a_full_disk_loses_nothing_and_is_told_once(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house.drop("a.png")
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    real, left, asked = output.write, iter(range(3)), []

    def write(path: Path, content: bytes) -> None:
        if next(left, None) is not None:
            raise OutputError(f"expected to write {path}, got: No space left on device")
        real(path, content)

    def count(content: bytes) -> Answer:
        asked.append(content)
        return ask(content)

    monkeypatch.setattr(output, "write", write)
    house.work(ask=count, once=False, stopped=lambda: bool(house.out.is_dir() and house.reports()))
    assert len(asked) == 1
    error = capsys.readouterr().err
    assert error.count("No space left on device; trying again") == 1
    assert [line["outcome"] for line in house.lines()] == ["reported"]
    assert house.work() == []


@pytest.mark.parametrize("name", ["x" * 246 + ".png", "taken.png"])
def test_a_report_that_can_never_be_written_costs_its_image_alone(
    house: House, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    house.work()
    (house.out / "taken.png.report.json").mkdir()
    house.drop(name)
    house.drop("z.png")
    house.work(keep=1)
    assert house.report("z.png")["file"]["bytes"] == 5
    (line,) = [line for line in house.lines() if line["name"] == name and line["outcome"] == "failed"]
    assert "expected to write" in line["reason"]
    assert "expected to write" in capsys.readouterr().err
    assert not (house.images / name).exists()
    assert house.work() == []


def test_a_full_disk_ends_a_single_round(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: Path, content: bytes) -> None:
        raise OutputError("expected to write, got: No space left on device")

    house.drop("a.png")
    monkeypatch.setattr(output, "write", write)
    with pytest.raises(OutputError):
        house.work()
    monkeypatch.undo()
    assert len(house.work()) == 1


def test_only_the_newest_are_kept_and_what_is_not_done_is_never_deleted(house: House) -> None:
    for number in range(6):
        house.drop(f"{number}.png", b"bad" if number == 4 else b"image %d" % number)
        house.work(keep=2)
    house.drop("waiting.png.part")
    assert set(os.listdir(house.images)) == {"4.png", "5.png", "waiting.png.part"}
    assert set(house.reports()) == {"4.png", "5.png"}
    assert house.figures() == {"5.png"}
    assert house.work(keep=2) == []


def test_busy_stands_while_too_many_wait(house: House) -> None:
    for number in range(7):
        house.drop(f"{number}.png")
    busy = house.out / STATE / "busy"
    states = []

    def look(content: bytes) -> Answer:
        states.append(busy.exists())
        time.sleep(module._ROUND)  # so that the folder is looked into after each
        return ask(content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ROUND", 0.01)
        house.work(ask=look, backlog=4)
    assert states == [True] * 5 + [False] * 2  # 7, 6, 5, 4 and 3 wait: more than 4, then more than half of it
    assert not busy.exists()


def test_rests_of_interrupted_writes_are_cleared_away(house: House) -> None:
    house.out.mkdir()
    (house.out / ".edge-mdda-0123456789abcdef").write_bytes(b"rest")
    house.drop("a.png")
    house.work()
    assert sorted(os.listdir(house.out)) == [".edge-mdda", "a.png.figure.png", "a.png.report.json"]


def test_a_line_is_written_when_report_and_figure_are_on_the_disk(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut takes is what was not synchronised; killing a process does not show that."""
    events: list[str] = []

    def note(name: str) -> None:
        real = getattr(os, name)

        def noted(first: Any, *rest: Any) -> Any:
            target = Path(os.readlink(f"/proc/self/fd/{first}")) if isinstance(first, int) else Path(rest[0])
            label = "temporary" if target.name.startswith(".edge-mdda-") else target.relative_to(house.out)
            events.append(f"{name} {label}")
            return real(first, *rest)

        monkeypatch.setattr(os, name, noted)

    house.work()
    house.drop("a.png")
    for name in ("write", "fsync", "replace"):
        note(name)
    house.work()
    kept = ["fsync temporary", "replace a.png.figure.png", "fsync ."]
    kept += ["fsync temporary", "replace a.png.report.json", "fsync ."]
    kept += [f"write {STATE}/journal.jsonl", f"fsync {STATE}/journal.jsonl"]
    assert events[-len(kept) :] == kept


def check(house: House, seen: dict[str, bytes]) -> None:
    """Every report there is stays as it was when it was first seen."""
    for name, content in house.reports().items():
        assert seen.setdefault(name, content) == content, name


def check_end(house: House, names: list[str]) -> None:
    """Each image was done exactly once, and nothing is left over."""
    assert Counter(line["name"] for line in house.lines() if line["outcome"] != "dropped") == Counter(names)
    assert not [name for name in os.listdir(house.out) if name.startswith(".edge-mdda-")]


def test_killed_at_every_step_it_loses_and_repeats_nothing(house: House) -> None:
    """Each step on the disk is hit, from the first of the first image to the last."""
    names: list[str] = []
    seen: dict[str, bytes] = {}
    hits = 0
    for step in range(200):
        house.drop(f"{step}.png", b"bad" if step % 5 == 4 else b"image %d" % step)
        names.append(f"{step}.png")
        hit = killed_at(step, house.work)
        check(house, seen)
        house.work()
        check(house, seen)
        hits += hit
        if not hit and step % 5 != 4:
            break
    assert hits >= 15
    assert set(house.reports()) == set(names)
    assert house.figures() == {name for number, name in enumerate(names) if number % 5 != 4}
    check_end(house, names)


def test_killed_at_every_step_of_deleting_it_keeps_what_it_should(house: House) -> None:
    names: list[str] = []
    seen: dict[str, bytes] = {}
    for step in range(200):
        house.drop(f"{step}.png", b"image %d" % step)
        names.append(f"{step}.png")
        hit = killed_at(step, lambda: house.work(keep=2))
        check(house, seen)
        house.work(keep=2)
        check(house, seen)
        assert set(os.listdir(house.images)) == set(house.reports()) == house.figures() == set(names[-2:])
        if not hit:
            break
    assert set(seen) == set(names)
    check_end(house, names)


def test_killed_a_hundred_times_at_random_it_loses_and_repeats_nothing(house: House) -> None:
    random.seed(1)
    names: list[str] = []
    seen: dict[str, bytes] = {}
    killed = 0
    while killed < 100:
        for _ in range(3):
            names.append(f"{len(names)}.png")
            house.drop(names[-1], b"image %d" % len(names))
        child = os.fork()
        if child == 0:
            try:
                house.work()
            finally:
                os._exit(0)
        time.sleep(random.uniform(0, 0.015))
        os.kill(child, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        check(house, seen)
    house.work()
    check(house, seen)
    assert set(house.reports()) == house.figures() == set(names)
    check_end(house, names)
