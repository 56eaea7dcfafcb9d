"""Tells systemd how the service does, over the socket named in NOTIFY_SOCKET (sd_notify(3)); silent without one."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def ready() -> None:
    """The service has started."""
    _send("READY=1")


def alive(status: str) -> None:
    """The service works: keeps systemd's watchdog from restarting it; the status is shown by `systemctl status`."""
    _send(f"WATCHDOG=1\nSTATUS={' '.join(status.split())}")


def stopping() -> None:
    """The service ends on purpose."""
    _send("STOPPING=1")


def watchdog_seconds() -> float | None:
    """How long systemd waits for a sign of life, in seconds; None where it does not wait."""
    try:
        return int(os.environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None


def _send(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    # Never worth an error: systemd restarts what it does not hear of.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        sender.sendto(state.encode(), address)
