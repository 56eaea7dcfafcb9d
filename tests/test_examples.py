"""What stands in deploy/examples is compiled and run against the real service; the lights have mock pins."""

from __future__ import annotations

import importlib
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.program import CHECKOUT
from tests.served import Served, served

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")
pytestmark = pytest.mark.programs

EXAMPLES = CHECKOUT / "deploy" / "examples"
LESION, ADVERSARIAL = (CHECKOUT / "models" / "samples" / f"{name}.png" for name in ("lesion", "lesion_adversarial"))


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def nowhere() -> int:
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def no_image(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"no image")
    return path


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C example, compiled without a single warning."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    built = tmp_path_factory.mktemp("built") / "assess"
    strict = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run(["cc", *strict, "-o", built, EXAMPLES / "assess.c"], check=True)
    return built


class TestC:
    @staticmethod
    def run(*command: str | Path | int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(list(map(str, command)), capture_output=True, text=True)

    def test_it_prints_the_report(self, program: Path, service: Served) -> None:
        done = self.run(program, ADVERSARIAL, service.port)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["schema"] == "edge-mdda/report/1"
        assert report["alarm"]["flag"]

    def test_it_says_what_the_service_refuses(self, program: Path, service: Served, no_image: Path) -> None:
        done = self.run(program, no_image, service.port)
        assert (done.returncode, done.stdout) == (1, "")
        assert "expected a JPEG or PNG image" in json.loads(done.stderr)["detail"]

    def test_where_nobody_listens_it_ends_with_2(self, program: Path, nowhere: int) -> None:
        done = self.run(program, LESION, nowhere)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "assess: connect: Connection refused\n")

    @pytest.mark.parametrize("content", [None, b""])
    def test_a_file_that_is_missing_or_empty_ends_with_2(
        self, program: Path, content: bytes | None, tmp_path: Path
    ) -> None:
        path = tmp_path / "photo.jpg"
        if content is not None:
            path.write_bytes(content)
        done = self.run(program, path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"assess: {path}: ")


class TestPython:
    @staticmethod
    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        # -I, -S: nothing but the standard library can be imported.
        command = [sys.executable, "-I", "-S", str(EXAMPLES / "assess.py"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    def test_it_prints_the_answer(self, service: Served) -> None:
        done = self.run(LESION, "--address", service.address)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("NV, one of NV")

    def test_it_says_why_there_is_no_answer_to_rely_on(self, service: Served) -> None:
        done = self.run(ADVERSARIAL, "--address", service.address)
        assert done.returncode == 1
        assert "it looks attacked" in done.stdout

    def test_it_prints_the_whole_report(self, service: Served) -> None:
        done = self.run(LESION, "--address", service.address, "--json")
        assert json.loads(done.stdout)["answer"]["class"] == "NV"

    def test_what_gives_no_report_ends_with_2(self, service: Served, no_image: Path, nowhere: int) -> None:
        refused = self.run(no_image, "--address", service.address)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "expected a JPEG or PNG image" in refused.stderr
        assert self.run(LESION, "--address", f"http://127.0.0.1:{nowhere}").returncode == 2
        assert self.run(no_image.parent / "missing.jpg", "--address", service.address).returncode == 2

    def test_a_busy_service_is_asked_again_with_the_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        example = imported("assess", monkeypatch)
        asked = []

        class Busy(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked.append((self.path, body, self.headers["Authorization"]))
                ready = len(asked) == 3
                self.send_response(200 if ready else 503)
                self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(b'{"answer": 1}' if ready else b"{}")

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Busy) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_port}"
            assert example.assess(b"image", address, "secret") == {"answer": 1}
            assert asked == [("/v1/assess", b"image", "Bearer secret")] * 3
            monkeypatch.setattr(example, "ATTEMPTS", 2)
            asked[:] = []
            with pytest.raises(example.Refused, match="503"):
                example.assess(b"image", address)
            server.shutdown()


class TestButton:
    @pytest.fixture
    def board(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        """Pins that are not there; levels can be set and read."""
        gpiozero = pytest.importorskip("gpiozero", reason="needs gpiozero")
        mock = pytest.importorskip("gpiozero.pins.mock")
        factory = mock.MockFactory()
        monkeypatch.setattr(gpiozero.Device, "pin_factory", factory)
        yield factory
        factory.reset()

    @pytest.fixture
    def example(self, board: Any, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
        return imported("button", monkeypatch)

    @pytest.fixture
    def panel(self, example: ModuleType) -> Iterator[Any]:
        panel = example.Panel()
        yield panel
        panel.close()

    @staticmethod
    def lights(example: ModuleType, board: Any) -> set[str]:
        return {name for name, pin in example.LIGHTS.items() if board.pin(pin).state}

    @pytest.mark.parametrize(("photo", "light"), [(LESION, "answer"), (ADVERSARIAL, "doubt"), (None, "error")])
    def test_a_press_lights_what_the_service_says(
        self, photo: Path | None, light: str, example: ModuleType, board: Any, service: Served, no_image: Path
    ) -> None:
        """The whole program: it waits, the button goes down, a command takes the picture, the service answers."""
        arguments = ["button.py", "--capture", f"cat '{photo or no_image}'", "--address", service.address]
        seen: list[set[str]] = []
        show = example.Panel.show

        def shown(panel: Any, state: str) -> None:
            show(panel, state)
            seen.append(self.lights(example, board))

        def press() -> None:
            pin = board.pin(example.BUTTON)
            until(lambda: bool(pin.when_changed), "the button is listened to")
            time.sleep(0.05)
            pin.drive_low()
            until(lambda: len(seen) == 2, "a light")

        finger = threading.Thread(target=press)
        finger.start()

        def released(_: Any) -> None:
            finger.join()
            raise KeyboardInterrupt  # as Ctrl-C ends it

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", arguments)
            patch.setattr(example.Panel, "show", shown)
            patch.setattr(example.Button, "wait_for_release", released)
            example.main()
        assert seen == [set(example.LIGHTS), {light}, set()]

    @pytest.mark.parametrize("command", ["false", "no-such-camera", "sleep 9"])
    def test_a_camera_that_fails_or_hangs_is_a_red_light(
        self, command: str, example: ModuleType, panel: Any, board: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(example, "SECONDS", 0.2)
        assert example.once(panel, lambda: example.capture(command), dict) == "error"
        assert self.lights(example, board) == {"error"}

    def test_a_warning_about_quality_is_a_doubt(self, example: ModuleType, panel: Any, board: Any) -> None:
        report = {
            "answer": {"class": "NV", "abstained": False, "reasons": []},
            "alarm": None,
            "quality": {"measures": {}, "warnings": [{"name": "focus", "message": "hold still"}]},
        }
        assert example.once(panel, lambda: b"", lambda image: report) == "doubt"
        assert self.lights(example, board) == {"doubt"}
        panel.show("idle")
        assert self.lights(example, board) == set()


def imported(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module(name)


def until(true: Any, what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"expected {what} within {seconds} s"
        time.sleep(0.01)
