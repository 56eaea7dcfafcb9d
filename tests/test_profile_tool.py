"""`tools.profile` over a real OpenSSH, to a server of its own on the loopback."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import profiles
from tests.program import CHECKOUT

SERVER = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_ssh = pytest.mark.skipif(
    SERVER is None or shutil.which("ssh") is None, reason="needs OpenSSH: apt-get install openssh-server"
)


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[str]:
    """An ssh command that reaches a server on the loopback with a key of its own."""
    assert SERVER is not None
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": tmp_path / "user.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
    }
    (tmp_path / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if os.geteuid() == 0:  # where it drops its rights; systemd makes it where there is one
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([SERVER, "-D", "-e", "-f", tmp_path / "sshd_config"], stderr=log)
    try:
        _wait(port, server, tmp_path / "log")
        known = f"127.0.0.1 {(tmp_path / 'host.pub').read_text()}".replace("127.0.0.1", f"[127.0.0.1]:{port}", 1)
        (tmp_path / "known_hosts").write_text(known)
        options = ["-p", str(port), "-i", str(tmp_path / "user"), "-F", "none", "-o", "BatchMode=yes"]
        yield shlex.join(["ssh", *options, "-o", f"UserKnownHostsFile={tmp_path / 'known_hosts'}"])
    finally:
        server.terminate()
        server.wait()


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.profile", *arguments], capture_output=True, text=True, cwd=CHECKOUT
    )


def there(ssh: str) -> list[str]:
    """The board, which is this machine, and how to reach the program on it."""
    environment = [f"PYTHONPATH={CHECKOUT}", f"NUMBA_CACHE_DIR={_cache()}"]
    program = shlex.join(["env", *environment, sys.executable, "-m", "edge_mdda"])
    return [f"{getpass.getuser()}@127.0.0.1", "--ssh", ssh, "--program", program]


@needs_ssh
@pytest.mark.programs
def test_a_profile_comes_back_over_ssh(tmp_path: Path, ssh: str) -> None:
    out = tmp_path / "board.json"
    done = tool(*there(ssh), "--out", str(out), "--", *profiles.QUICK)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["schema"] == "edge-mdda/profile/1"
    assert found["configurations"][0]["stages"]["total"]["count"] == 5
    assert "edge-mdda: steady state, 1 thread" in done.stderr  # what goes on there is seen here
    assert done.stdout.startswith(f"{out}: ")


@needs_ssh
@pytest.mark.programs
def test_what_goes_wrong_there_is_told_and_nothing_is_written(tmp_path: Path, ssh: str) -> None:
    out = tmp_path / "board.json"
    done = tool(*there(ssh), "--out", str(out), "--", "--preset", "it's none")
    assert done.returncode == 1
    assert "expected preset out of" in done.stderr
    assert '"it\'s none"' in done.stderr  # quoted on the way, not taken apart by the shell there
    assert "got exit code 2" in done.stderr
    done = tool(f"{getpass.getuser()}@127.0.0.1", "--ssh", ssh, "--program", "echo", "--out", str(out))
    assert "expected JSON from" in done.stderr
    assert not out.exists()


def test_a_target_that_is_an_option_is_refused() -> None:
    done = tool("--out", "x.json", "--", "-oProxyCommand=touch attacked")
    assert done.returncode == 1
    assert "expected user@host, got the option" in done.stderr


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        assert server.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def _cache() -> str:
    from edge_mdda.kernels import mdda

    return os.environ.get("NUMBA_CACHE_DIR", str(Path(mdda.purify.stats.cache_path).parent))
