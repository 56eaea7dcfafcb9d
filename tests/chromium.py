"""A page in a real browser: what it shows, and a picture of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mdda import image

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needed = pytest.mark.skipif(PROGRAM is None, reason="needs a browser: apt-get install chromium")


def shown(page: Path) -> tuple[str, NDArray[np.uint8]]:
    """The document as the browser understood it, and a screenshot, uint8 RGB (height, width, 3)."""
    picture = page.with_suffix(".png")
    document = _run(page, "--dump-dom")
    _run(page, f"--screenshot={picture}", "--window-size=960,4000", "--hide-scrollbars")
    return document, image.decode(picture.read_bytes())


def _run(page: Path, *options: str) -> str:
    assert PROGRAM is not None
    # No sandbox: it cannot be had as root, as tests run in a container.
    command = [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'browser'}"]
    environment = {**os.environ, "HOME": str(page.parent)}
    done = subprocess.run([*command, *options, page.as_uri()], capture_output=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()
