"""`edge-mdda watch`: the images that arrive in a folder, each assessed once, for as long as the service runs."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edge_mdda import terminal
from edge_mdda.assessor import Settings
from edge_mdda.errors import ParameterError


@dataclass(frozen=True)
class Options:
    """The options of the command, checked."""

    settings: Settings
    out: Path | None
    keep: int | None
    backlog: int
    timeout: float
    once: bool
    json: bool

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < 1:
            raise ParameterError(f"expected --keep of at least 1, got {self.keep}")
        if self.backlog < 1:
            raise ParameterError(f"expected --backlog of at least 1, got {self.backlog}")
        if not 0.1 <= self.timeout <= 3600:
            raise ParameterError(f"expected --timeout in [0.1, 3600] seconds, got {self.timeout:g}")


def run(folder: Path, options: Options) -> int:
    """Watch a folder until SIGTERM, which ends it after the image at hand; returns the exit code 0.

    Raises:
        EdgeMddaError: what stops all images: the model, the runtime, the journal, or standard output.
    """
    from edge_mdda.service import notify
    from edge_mdda.service.arrivals import Arrivals
    from edge_mdda.service.journal import Journal
    from edge_mdda.service.shelf import Shelf
    from edge_mdda.service.supervisor import Supervisor
    from edge_mdda.service.watch import STATE, Watch
    from edge_mdda.service.worker import Reporting

    if not folder.is_dir():
        raise ParameterError(f"expected a folder to watch, got {folder}")
    watchdog = notify.watchdog_seconds()
    if watchdog is not None and watchdog < 2 * options.timeout:
        raise ParameterError(
            f"expected --timeout of at most half the {watchdog:g} s of systemd's watchdog, got {options.timeout:g}"
        )
    stop = _Stop()
    out = folder if options.out is None else options.out
    shelf = Shelf(out)
    journal = Journal(out / STATE)
    if journal.damaged:
        terminal.complain(f"warning: expected a whole journal in {out / STATE}, got {journal.damaged} damaged lines")
    supervisor = Supervisor(Reporting(options.settings), deadline=options.timeout)
    try:
        supervisor.start()
        notify.ready()
        watch = Watch(
            Arrivals(folder),
            shelf,
            journal,
            supervisor.ask,
            state=out / STATE,
            keep=options.keep,
            backlog=options.backlog,
            stopped=stop.asked,
            on_done=partial(_say, as_json=options.json),
        )
        watch.run(once=options.once)
    finally:
        notify.stopping()
        supervisor.close()
        journal.close()
    return 0


class _Stop:
    """Whether SIGTERM came; a class because the signal's handler has to leave a mark."""

    def __init__(self) -> None:
        self._asked = False
        signal.signal(signal.SIGTERM, self._handle)

    def asked(self) -> bool:
        return self._asked

    def _handle(self, *_: object) -> None:
        self._asked = True


def _say(report: dict[str, Any], as_json: bool) -> None:
    """Say that an image is done: on standard error no more than that, since it is the system's log of a service."""
    if as_json:
        terminal.say(json.dumps(report, allow_nan=False))
    elif "raw" in report:  # a failure was complained of
        terminal.complain(f"{report['image']}: reported, {report['milliseconds']['total']:.0f} ms")
