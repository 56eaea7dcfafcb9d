"""What the command line says: results on standard output, everything else on standard error."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from edge_mdda.errors import OutputError
from edge_mdda.report import printable

if TYPE_CHECKING:
    from rich.progress import Progress

PROGRAM = "edge-mdda"
# Seconds between two lines of a count that goes to no terminal.
_PAUSE = 60
Item = TypeVar("Item")


def accept_any_text() -> None:
    """Let standard output take what its encoding lacks, as question marks; JSON is ASCII and never needs it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def say(text: str) -> None:
    """Write a result to standard output, at once.

    Raises:
        OutputError: it is closed, a pipe nobody reads, or on a full disk.
    """
    if sys.stdout is None:
        raise OutputError("expected an open standard output, got a closed one")
    try:
        print(text, flush=True)
    except OSError as error:
        # What is still buffered would fail once more, with a traceback, when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"expected to write to standard output, got: {error.strerror}") from None


def complain(text: str) -> None:
    """Write one line to standard error, whatever is in the text; where it cannot be written, nothing is done.

    A service whose log is on the full disk that it complains of has to go on.
    """
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"{PROGRAM}: {printable(' '.join(text.split()))}", file=sys.stderr, flush=True)


def render(renderable: Any) -> str:
    """Draw one of rich's tables as text for standard output, with colours where that is a terminal."""
    from rich.console import Console

    # Rendered apart: rich answers a closed pipe by leaving the program, and a full disk not at all.
    seen, paper = Console(), io.StringIO()
    console = Console(file=paper, width=seen.width, force_terminal=seen.is_terminal, highlight=False)
    console.print(renderable)
    return paper.getvalue().rstrip("\n")


def progress(items: list[Item], *, wide: bool) -> Iterator[Item]:
    """Go through items under a progress bar on standard error, if there are several and it is a terminal.

    No bar where `wide` lines go to a terminal: passing the bar they would be broken at its width.
    """
    if len(items) < 2 or (wide and _is_terminal(sys.stdout)) or not _is_terminal(sys.stderr):
        yield from items
        return
    with _bar() as bar:
        task = bar.add_task("", total=len(items))
        bar.refresh()
        for item in items:
            yield item
            bar.update(task, advance=1, refresh=True)


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """What takes how many of so many are done, and shows it on standard error with the time left.

    Where that is no terminal, it is a line a minute.
    """
    if not _is_terminal(sys.stderr):
        last = time.monotonic()

        def tell(done: int) -> None:
            nonlocal last
            if time.monotonic() - last > _PAUSE:
                last = time.monotonic()
                complain(f"{done} of {total} {what}")

        yield tell
        return
    with _bar() as bar:
        task = bar.add_task("", total=total)
        bar.refresh()
        yield lambda done: bar.update(task, completed=done, refresh=True)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    # No refreshing thread: it would write while `native_messages` holds standard error. Lines for standard output pass
    # through the bar only where both are the same terminal; a pipe must get them as they are.
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
        redirect_stdout=_is_terminal(sys.stdout),
    )


@contextmanager
def native_messages() -> Iterator[list[str]]:
    """Hold back what native libraries write to file descriptor 2; the list has its lines after the block.

    libjpeg, libpng and the TFLite runtimes have no other way to be quiet. Process-wide, so only for the command line.
    """
    lines: list[str] = []
    try:
        saved = os.dup(2)
    except OSError:  # closed, and so quiet already
        yield lines
        return
    try:
        with os.fdopen(os.memfd_create("native_messages"), "rb") as held:  # in memory: it needs no writable place
            os.dup2(held.fileno(), 2)
            try:
                yield lines
            finally:
                os.dup2(saved, 2)
                held.seek(0)
                lines += held.read().decode(errors="replace").splitlines()
    finally:
        os.close(saved)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()
