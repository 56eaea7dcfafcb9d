"""A crash or a hang in the child process costs one request, is told, and the next is answered within two seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from edge_mdda.assessor import Settings
from edge_mdda.errors import ImageError, InferenceError, ModelError, TooLateError
from edge_mdda.service.supervisor import PRELOAD, Supervisor
from edge_mdda.service.worker import Prepare, Reporting
from tests import hostile, stand_ins
from tests.program import CHECKOUT

pytestmark = pytest.mark.programs

DEADLINE = 0.5


def supervise(prepare: Prepare, **options: float) -> Supervisor:
    return Supervisor(prepare, preload=stand_ins.NAME, **{"deadline": DEADLINE, **options})


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = supervise(stand_ins.prepare)
    yield supervisor
    supervisor.close()


def ended(pid: int) -> bool:
    """Whether a process is gone, or dead and not yet taken note of by its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_a_child_that_cannot_be_killed_is_left_behind(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that hangs in a driver: its end comes when the kernel lets it go."""
    supervisor.start()
    stuck = supervisor._child
    assert stuck is not None
    pid = supervisor.pid
    assert pid is not None
    with monkeypatch.context() as patch:
        patch.setattr(stuck.process, "kill", lambda: None)
        os.kill(pid, signal.SIGSTOP)  # or it would end itself
        start = time.monotonic()
        with pytest.raises(TooLateError, match=r"got none within 0.5 s"):
            supervisor.ask(b"four")
        assert supervisor.ask(b"next").parts[1] == b"next"
        assert time.monotonic() - start < DEADLINE + 2
    assert supervisor.pid != pid
    assert not ended(pid)
    stuck.process.kill()
    stuck.process.join()


def test_requests_are_answered_by_one_process(supervisor: Supervisor) -> None:
    assert supervisor.ask(b"four").parts[1] == b"four"
    pid = supervisor.pid
    answer = supervisor.ask(b"warn")
    assert (answer.parts[1], answer.warnings) == (b"warn", ["a warning"])
    large = bytes(2**22)
    assert supervisor.ask(large).parts[1] == large
    assert supervisor.pid == pid != os.getpid()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (b"crash", r"expected an answer, got a crash \(SIGSEGV\)"),
        (b"hang", r"expected an answer, got none within 0.5 s"),
        (b"leave", r"expected an answer, got an end with code 3"),
    ],
)
def test_one_request_is_lost_and_the_next_is_answered_within_two_seconds(
    supervisor: Supervisor, request_: bytes, message: str
) -> None:
    supervisor.start()
    start = time.monotonic()
    with pytest.raises(InferenceError, match=message):
        supervisor.ask(request_)
    assert supervisor.ask(b"next").parts[1] == b"next"
    assert time.monotonic() - start < DEADLINE + 2


def test_errors_of_the_child_keep_their_class_and_the_child_stays(supervisor: Supervisor) -> None:
    supervisor.start()
    pid = supervisor.pid
    with pytest.raises(ImageError, match="expected an image, got this"):
        supervisor.ask(b"refuse")
    with pytest.raises(ImageError, match="expected enough memory"):
        supervisor.ask(b"exhaust")
    assert supervisor.ask(b"next").parts[1] == b"next"
    assert supervisor.pid == pid


def test_a_child_that_somebody_else_killed_is_asked_once_more(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("STAND_IN_MARK", str(tmp_path / "mark"))
    forkserver._forkserver._stop()  # the next one has this environment
    supervisor = supervise(stand_ins.load_at_the_second_try)
    supervisor.start()
    (tmp_path / "mark").unlink()
    assert supervisor.ask(b"killed once").parts[1] == b"killed once"
    supervisor.close()


def test_a_child_stopped_while_it_was_idle_is_replaced(supervisor: Supervisor) -> None:
    """It does not even take the request from the pipe, which is larger than the pipe."""
    supervisor.start()
    os.kill(supervisor.pid, signal.SIGSTOP)
    with pytest.raises(InferenceError, match="none within"):
        supervisor.ask(bytes(2**22))
    assert supervisor.ask(b"next").parts[1] == b"next"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (stand_ins.refuse_to_load, "expected a model, got none"),
        (stand_ins.crash_while_loading, r"expected a model that a process can load, got a crash \(SIGSEGV\)"),
        (stand_ins.take_long_to_load, "expected a model that a process can load, got none within 0.2 s"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_no_fault_of_an_image(prepare: Prepare, message: str) -> None:
    supervisor = supervise(prepare, start_deadline=0.2)
    with pytest.raises(ModelError, match=message):
        supervisor.ask(b"image")
    assert supervisor.pid is None


@pytest.fixture
def loaded() -> Iterator[str]:
    """Children share loaded kernels, as they do on the device."""
    forkserver._forkserver._stop()  # the tests before have one with the stand-ins
    yield PRELOAD
    forkserver._forkserver._stop()


def test_real_models_a_crash_in_the_runtime_while_loading(loaded: str, tmp_path: Path) -> None:
    settings = Settings(model=hostile.bottomless(tmp_path / "bottomless"), threads=1)
    supervisor = Supervisor(Reporting(settings), preload=loaded)
    with pytest.raises(ModelError, match=r"expected a model that a process can load, got a crash \(SIGSEGV\)"):
        supervisor.start()


def test_real_models_a_hang_in_the_runtime_costs_one_image(loaded: str, tmp_path: Path, lesion: Path) -> None:
    settings = Settings(model=hostile.endless(tmp_path / "endless"), threads=1)
    supervisor = Supervisor(Reporting(settings), preload=loaded, deadline=2)
    supervisor.start()
    start = time.monotonic()
    with pytest.raises(InferenceError, match="expected an answer, got none within 2 s"):
        supervisor.ask(lesion.read_bytes())
    with pytest.raises(ImageError, match="expected a JPEG or PNG image"):  # answered before the model is asked
        supervisor.ask(b"no image")
    assert time.monotonic() - start < 2 + 2
    supervisor.close()


def test_a_crash_while_the_real_model_works_costs_one_image(loaded: str, lesion: Path) -> None:
    supervisor = Supervisor(Reporting(Settings(threads=1)), preload=loaded)
    content = lesion.read_bytes()
    assert supervisor.ask(content).parts
    pid = supervisor.pid
    assert pid is not None
    crash = threading.Timer(0.02, os.kill, (pid, signal.SIGSEGV))
    crash.start()
    with pytest.raises(InferenceError, match=r"expected an answer, got a crash \(SIGSEGV\)"):
        list(map(supervisor.ask, [content] * 100))
    start = time.monotonic()
    assert supervisor.ask(content).parts
    assert time.monotonic() - start < 2
    supervisor.close()


def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Not even a child that hangs in native code."""
    program = (
        "from tests import stand_ins\nfrom edge_mdda.service.supervisor import Supervisor\n"
        f"supervisor = Supervisor(stand_ins.prepare, preload=stand_ins.NAME, deadline={DEADLINE})\n"
        "supervisor.start()\nprint(supervisor.pid, flush=True)\nsupervisor.ask(b'hang')\n"
    )
    (tmp_path / "parent.py").write_text(f"if __name__ == '__main__':\n    {program.replace(chr(10), chr(10) + '    ')}")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, env=environment) as parent:
        child = int(parent.stdout.readline())
        server = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
        time.sleep(0.1)
        parent.kill()
    assert wait_for(lambda: ended(child) and ended(server), DEADLINE + 5)
