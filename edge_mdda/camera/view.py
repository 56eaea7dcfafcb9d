"""What a person sees in a terminal: the last answer, drawn again and again, or a line each where it is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from edge_mdda.camera.live import Found, Sight
from edge_mdda.report import DISCLAIMER, bar, printable

if TYPE_CHECKING:
    from rich.console import Group


class NoView:
    """Shows nothing."""

    def show(self, sight: Sight) -> None:
        pass

    def closed(self) -> bool:
        return False

    def close(self) -> None:
        pass


class LineView(NoView):
    """One line for each frame with an answer, and for each message that is not the one before it.

    Args:
        say: writes a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last: tuple[str, ...] = ()

    def show(self, sight: Sight) -> None:
        if sight.found is not None or sight.sentences != self._last:
            self._say(printable(f"{sight.status}: {' '.join(sight.sentences)}"))
        self._last = () if sight.found is not None else sight.sentences


class TerminalView(NoView):
    """The last answer in place of the one before it; for a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(highlight=False), auto_refresh=False)
        self._live.start()

    def show(self, sight: Sight) -> None:
        self._live.update(draw(sight), refresh=True)

    def close(self) -> None:
        self._live.stop()


def draw(sight: Sight) -> Group:
    """A sight for a terminal: a row a class with its bar, most probable first, the sentences, the status."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False)
    if sight.found is not None:
        for code, probability in ranking(sight.found):
            table.add_row(printable(code), f"{probability:6.1%}", Text(bar(probability), "cyan"))
    colour = "bold" if sight.found is not None and not doubtful(sight.found) else "bold red"
    sentences = [Text(printable(sentence), colour) for sentence in sight.sentences]
    return Group(table, *sentences, Text(printable(sight.status), "dim"), Text(DISCLAIMER, "dim"))


def ranking(found: Found) -> list[tuple[str, float]]:
    """Class codes and probabilities of the verdict that is the answer, the most probable first."""
    verdict = found.report[found.report["answer"]["from"]]
    return sorted(verdict["probabilities"].items(), key=lambda each: -each[1])


def doubtful(found: Found) -> bool:
    """Whether no answer should be given, or the attack alarm rings."""
    alarm = found.report["alarm"]
    return bool(found.report["answer"]["reasons"]) or bool(alarm and alarm["flag"])


def for_terminal(say: Callable[[str], None]) -> NoView:
    """What suits standard output: a terminal is drawn on, anything else gets lines."""
    return TerminalView() if sys.stdout is not None and sys.stdout.isatty() else LineView(say)
