"""Images that are kept, because the service was asked to: in the official ISIC 2019 layout, with an audit line each.

    ISIC_2019_Training_Input/NAME.jpg     the picture alone, encoded anew: no EXIF, no GPS position, no comment
    ISIC_2019_Training_Metadata.csv       image, age_approx, anatom_site_general, lesion_id, sex: all but image empty
    ISIC_2019_Training_GroundTruth.csv    UNK for every image, until somebody who knows puts the class there: what the
                                          model thinks is no ground truth
    audit.jsonl                           {"time": UTC, "image": NAME, "file": {"sha256", "bytes"}, "received": the same
                                          of what was sent, "report": as answered}

NAME is EDGE_, the time and something random. An image is kept when its audit line is there, which comes last; where one
of the four cannot be written, those before are taken back. A power cut in between leaves an image without an audit
line, and nothing half written.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import secrets
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge_mdda import output
from edge_mdda.errors import OutputError
from edge_mdda.labelled import ISIC_2019
from edge_mdda.ledger import Ledger

AUDIT = "audit.jsonl"
#: Classes of ISIC 2019 in the order of its columns; UNK is none of the others, or not known.
CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
_METADATA = ("image", "age_approx", "anatom_site_general", "lesion_id", "sex")


class Archive:
    """The folder of kept images; a class because its files stay open and locked.

    Args:
        folder: made, for its owner alone, if it is missing.

    Raises:
        OutputError: another process has it, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._images = folder / ISIC_2019["images"]
        try:
            if not folder.exists():
                folder.mkdir(mode=0o700, parents=True)
            self._images.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"expected a folder {folder} for the archive, got: {error.strerror}") from None
        self._audit = Ledger(folder / AUDIT, lock=".lock")
        self._metadata = _table(folder / ISIC_2019["metadata"], _METADATA)
        self._truth = _table(folder / ISIC_2019["labels"], ("image", *CLASSES))

    def keep(self, picture: bytes, received: bytes, report: dict[str, Any]) -> str:
        """Keep one image; returns its name, with all of it on the disk.

        Args:
            picture: encoded anew, as JPEG.
            received: what was sent; only its hash and length are kept.
            report: on it.

        Raises:
            OutputError: it could not be written, and nothing of it is there.
        """
        now = datetime.now(timezone.utc)
        name = f"EDGE_{now:%Y%m%dT%H%M%S}_{secrets.token_hex(4)}"
        path = self._images / f"{name}.jpg"
        line = {
            "time": now.isoformat(timespec="milliseconds"),
            "image": name,
            "file": _digest(picture),
            "received": _digest(received),
            "report": report | {"image": name},
        }
        done: list[Ledger] = []
        output.write(path, picture)
        try:
            for table, row in (
                (self._metadata, _row(name, *[""] * (len(_METADATA) - 1))),
                (self._truth, _row(name, *("1.0" if code == "UNK" else "0.0" for code in CLASSES))),
                (self._audit, json.dumps(line, allow_nan=False).encode()),
            ):
                table.append(row)
                done.append(table)
        except OutputError:
            for table in done:
                table.take_back()
            with suppress(OSError):
                path.unlink()
            raise
        return name

    def close(self) -> None:
        """Close the files and give the folder back."""
        for table in (self._audit, self._metadata, self._truth):
            table.close()


def _table(path: Path, columns: tuple[str, ...]) -> Ledger:
    """A CSV file that has these columns.

    Raises:
        OutputError: it cannot be written, or has other columns.
    """
    table = Ledger(path, lock=f".{path.name}.lock")
    lines = table.lines()
    if not lines:
        table.append(_row(*columns))
    elif lines[0] != _row(*columns):
        table.close()
        raise OutputError(f"expected the columns {', '.join(columns)} in {path}, got others")
    return table


def _row(*values: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue().encode()


def _digest(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
