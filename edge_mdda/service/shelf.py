"""Where reports and figures are put: NAME.report.json and NAME.figure.png of each image, each written whole.

The report comes last, so it is the sign that an image is done; it says of which content it is:

    {…the report as `edge_mdda.report` describes it…, "file": {"sha256": of the image, "bytes": its size}}
    {"schema": "edge-mdda/failure/1", "image": path, "file": as above, null if it could not be read,
     "error": {"kind": class of `edge_mdda.errors`, "message": its text}}
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from edge_mdda import output
from edge_mdda.errors import EdgeMddaError, OutputError, UnwritableError
from edge_mdda.service.arrivals import FIGURE_ENDING

FAILURE_SCHEMA = "edge-mdda/failure/1"
REPORT_ENDING = ".report.json"
_LARGEST_REPORT = 2**20


class Shelf:
    """The folder of reports and figures; a class because all of it is about that folder.

    Args:
        folder: it is made if it is missing. What an interrupted write left in it is removed.

    Raises:
        OutputError: the folder cannot be made or read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            output.remove_leftovers(folder)
        except OSError as error:
            raise OutputError(f"expected a folder {folder}, got: {error.strerror}") from None

    def outcome(self, name: str, sha256: str) -> Literal["reported", "failed"] | None:
        """How this content of a file ended, if its report is here, else None."""
        try:
            with (self._folder / (name + REPORT_ENDING)).open("rb") as file:
                report = json.loads(file.read(_LARGEST_REPORT))
            if report["file"]["sha256"] != sha256:
                return None
            return "failed" if report["schema"] == FAILURE_SCHEMA else "reported"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def put(self, name: str, report: dict[str, Any], figure: bytes | None) -> None:
        """Write the figure, then the report; both are on the disk when this returns.

        Raises:
            OutputError: one of them cannot be written.
            UnwritableError: nor could it ever, under that name.
        """
        if figure is not None:
            output.write(self._folder / (name + FIGURE_ENDING), figure)
        else:  # the one of an earlier image of that name would belong to nothing
            self._remove(self._folder / (name + FIGURE_ENDING))
        output.write(self._folder / (name + REPORT_ENDING), json.dumps(report, allow_nan=False).encode() + b"\n")

    def remove(self, name: str) -> None:
        """Remove the report and the figure of an image.

        Raises:
            OutputError: one of them cannot be removed.
        """
        self._remove(self._folder / (name + FIGURE_ENDING))
        self._remove(self._folder / (name + REPORT_ENDING))

    def _remove(self, path: Path) -> None:
        try:
            with suppress(FileNotFoundError):
                path.unlink()
        except OSError as error:
            trouble = output.refused(f"to remove {path}", error)
            if not isinstance(trouble, UnwritableError):  # what could not be written here is nobody's report
                raise trouble from None


def failure(image: Path, file: dict[str, Any] | None, error: EdgeMddaError) -> dict[str, Any]:
    """What is written in place of a report for an image that has none."""
    kind = {"kind": type(error).__name__, "message": str(error)}
    return {"schema": FAILURE_SCHEMA, "image": str(image), "file": file, "error": kind}
