"""`edge-mdda classify`: many images in, a table or a line of JSON each out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edge_mdda import output, sources, terminal
from edge_mdda.assessor import Assessor, Settings
from edge_mdda.errors import EdgeMddaError, ImageError, OutputError, ParameterError
from edge_mdda.limits import MAX_BYTES
from edge_mdda.report import DISCLAIMER, Report

#: With --exit-code, what the program ends with where no image failed and one got no answer or rang the attack alarm.
DOUBTFUL = 7
#: With --require-quality, what it ends with where an image was taken badly.
POOR_QUALITY = 8


@dataclass(frozen=True)
class Options:
    """The options of the command, checked."""

    settings: Settings
    seed: int | None
    json: bool
    save_purified: Path | None
    figure: Path | None
    exit_code: bool

    def __post_init__(self) -> None:
        if self.save_purified is not None and self.settings.purify == "never":
            raise ParameterError("expected --save-purified or --purify never, got both")
        if self.figure is not None and self.figure.suffix.lower() != ".png":
            raise ParameterError(f"expected a file ending in .png for --figure, got {self.figure}")


def run(arguments: list[str], options: Options) -> int:
    """Classify every image; one that fails is reported and the rest goes on.

    Returns the exit code: 0, or that of the first image that failed; if none failed, that of the first that was taken
    badly (`POOR_QUALITY`, with --require-quality) or is doubtful (`DOUBTFUL`, with --exit-code).

    Raises:
        EdgeMddaError: what stops all of them: the model, the runtime, or standard output.
    """
    failures: list[int] = []
    found: list[str] = []
    for argument in arguments:
        try:
            found += sources.find(argument)
        except ImageError as error:  # noqa: PERF203 – that is the point
            failures.append(_report_failure(argument, error))
    if found:
        failures += _classify(found, options)
    return failures[0] if failures else 0


def _classify(found: list[str], options: Options) -> list[int]:
    """Classify the images found; returns the exit codes of those that failed, then of those without an answer."""
    targets = _Targets(options, several=len(found) > 1)
    assessor = Assessor(options.settings)
    for message in assessor.warnings:
        terminal.complain(f"warning: {message}")

    failures, unanswered = [], []
    for source in terminal.progress(found, wide=options.json):
        try:
            report, messages = assessor.assess(sources.read(source, MAX_BYTES), options.seed)
            for message in messages:
                terminal.complain(f"{source}: warning: {message}")
            report = replace(report, image=source)
            targets.write(report, source)
        except EdgeMddaError as error:
            failures.append(_report_failure(source, error))
            continue
        if report.judgement.poor_quality:
            unanswered.append(POOR_QUALITY)
        elif options.exit_code and report.doubtful:
            unanswered.append(DOUBTFUL)
        terminal.say(report.to_json() if options.json else terminal.render(report.to_table()) + "\n")
    if not options.json and len(failures) < len(found):
        terminal.say(DISCLAIMER)
    return failures + unanswered


def _report_failure(source: str, error: EdgeMddaError) -> int:
    terminal.complain(f"{source}: {error}")
    return error.exit_code


class _Targets:
    """Where pictures go; a class because it remembers the names taken: two images of one name keep one each."""

    def __init__(self, options: Options, *, several: bool) -> None:
        self._purified = options.save_purified
        self._figure = options.figure
        self._several = several
        self._taken: set[Path] = set()
        try:
            if self._purified is not None:
                self._purified.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"expected a folder {self._purified}, got: {error.strerror}") from None
        if self._figure is not None and not self._figure.parent.is_dir():
            raise OutputError(f"expected a folder {self._figure.parent} for --figure, got none")

    def write(self, report: Report, source: str) -> None:
        """Write the pictures asked for."""
        if self._purified is not None and report.purified_pixels is not None:
            from edge_mdda.image import encode_png

            path = self._free(self._purified / f"{sources.stem(source)}.purified.png")
            output.write(path, encode_png(report.purified_pixels))
        if self._figure is not None:
            from edge_mdda.figure import to_png

            name = f"{self._figure.stem}-{sources.stem(source)}.png" if self._several else self._figure.name
            output.write(self._free(self._figure.with_name(name)), to_png(report))

    def _free(self, path: Path) -> Path:
        """The path, numbered if an image of this run took it."""
        free, number = path, 2
        while free in self._taken:
            free = path.with_name(f"{path.stem}-{number}{path.suffix}")
            number += 1
        self._taken.add(free)
        return free
