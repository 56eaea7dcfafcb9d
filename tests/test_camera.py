"""Where frames come from: recordings, devices, picamera2; by their names, at their pace, lost and found."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from edge_mdda.camera import picamera, source
from edge_mdda.camera.source import find
from edge_mdda.errors import CameraError
from tests.recordings import PICAMERA2, grey, record

SIZE = (64, 48)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for picamera2, which no wheel brings."""
    (tmp_path / "picamera2.py").write_text(PICAMERA2)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    import sys

    sys.modules.pop("picamera2", None)


class TestRecording:
    def test_its_frames_come_in_order_as_rgb_and_then_no_more(self, tmp_path: Path) -> None:
        red = np.zeros((48, 64, 3), np.uint8)
        red[..., 0] = 200
        camera = find(str(record(tmp_path / "a.avi", [red, grey(40), grey(160)], rate=500)), SIZE, loop=False)()
        first, second, third = (camera.read() for _ in range(3))
        assert first is not None
        assert first.shape == (48, 64, 3)
        assert first.dtype == np.uint8
        assert np.abs(first.mean(axis=(0, 1)) - (200, 0, 0)).max() < 4
        assert second is not None
        assert third is not None
        assert [round(second.mean(), -1), round(third.mean(), -1)] == [40, 160]
        assert camera.read() is None
        camera.close()

    def test_it_plays_at_its_own_rate(self, tmp_path: Path) -> None:
        camera = find(str(record(tmp_path / "a.avi", [grey(40)] * 5, rate=20)), SIZE, loop=False)()
        start = time.monotonic()
        for _ in range(5):
            assert camera.read() is not None
        assert time.monotonic() - start >= 4 / 20
        camera.close()

    def test_looped_it_begins_again_with_what_the_file_has_then(self, tmp_path: Path) -> None:
        path = record(tmp_path / "a.avi", [grey(40)] * 2, rate=500)
        camera = find(str(path), SIZE, loop=True)()
        levels = [round(camera.read().mean(), -1) for _ in range(3)]
        os.replace(record(tmp_path / "b.avi", [grey(160)] * 2, rate=500), path)
        levels += [round(camera.read().mean(), -1) for _ in range(3)]
        camera.close()
        assert levels == [40, 40, 40, 40, 160, 160]

    def test_looped_and_taken_away_it_is_lost_like_an_unplugged_camera(self, tmp_path: Path) -> None:
        path = record(tmp_path / "a.avi", [grey(40)], rate=500)
        camera = find(str(path), SIZE, loop=True)()
        camera.read()
        path.unlink()
        with pytest.raises(CameraError, match=r"expected a camera or a recording, got no file .*a\.avi"):
            camera.read()
        camera.close()

    def test_what_is_no_video_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.avi").write_bytes(b"RIFF, or so it says")
        with pytest.raises(CameraError, match=r"expected a recording .*a\.avi that can be opened, got none"):
            find(str(tmp_path / "a.avi"), SIZE, loop=False)()


class TestDevice:
    @pytest.mark.parametrize("name", ["97", "/dev/video97", "/dev/null"])
    def test_one_that_is_not_there_is_refused(self, name: str) -> None:
        with pytest.raises(CameraError, match=f"expected a camera {name} that can be opened, got none"):
            find(name, SIZE, loop=False)()

    def test_auto_is_number_0_where_picamera2_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        opened = []
        monkeypatch.setattr(source.video, "Device", lambda name, size: opened.append((name, size)))
        find("auto", SIZE, loop=False)()
        assert opened == [(0, SIZE)]


class TestPiCamera:
    def test_it_is_asked_for_rgb_of_the_size_wanted_and_let_go(self, library: Path) -> None:
        camera = find("picamera", (96, 64), loop=False)()
        first, second = camera.read(), camera.read()
        assert first is not None
        assert second is not None
        assert first.shape == (64, 96, 3)
        assert [first[0, 0].tolist(), second[0, 0].tolist()] == [[200, 0, 0], [200, 1, 0]]
        camera.close()
        import picamera2

        assert picamera2.Picamera2.closed == [0]

    def test_one_that_stops_is_lost(self, library: Path) -> None:
        camera = find("picamera:0", (96, 64), loop=False)()
        for _ in range(3):
            camera.read()
        with pytest.raises(CameraError, match="expected a frame, got: the camera frontend has timed out"):
            camera.read()

    def test_auto_takes_it_before_a_usb_camera_if_it_sees_one(self, library: Path) -> None:
        assert isinstance(find("auto", SIZE, loop=False)(), picamera.PiCamera)
        import picamera2

        picamera2.Picamera2.cameras = []
        assert not picamera.present()

    def test_a_number_that_is_not_there_is_refused(self, library: Path) -> None:
        with pytest.raises(CameraError, match="expected a camera at picamera:1, got: list index out of range"):
            find("picamera:1", SIZE, loop=False)()

    def test_without_picamera2_it_is_named_with_its_install_line(self) -> None:
        assert not picamera.present()
        with pytest.raises(CameraError, match="expected picamera2, got none: apt install python3-picamera2"):
            find("picamera", SIZE, loop=False)()
