"""Send an image to `edge-mdda serve` and print what it says of it. Nothing but Python's standard library.

    python3 assess.py photo.jpg [--address http://127.0.0.1:8765] [--token-file FILE] [--json]

Ends with 0 where there is an answer, 1 where there is none to rely on, 2 where there is no report.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ADDRESS = "http://127.0.0.1:8765"
TYPES = {b"\x89": "image/png", b"\xff": "image/jpeg"}
ATTEMPTS = 5


class Refused(Exception):
    """There is no report; the text says why."""


def assess(image: bytes, address: str = ADDRESS, token: str | None = None) -> dict[str, Any]:
    """The report on an encoded image; while the service is busy it is asked again, as often as `ATTEMPTS`.

    Raises:
        Refused: the service is not reached, stays busy, or cannot use the image.
    """
    headers = {"Content-Type": TYPES.get(image[:1], "application/octet-stream")}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{address}/v1/assess", image, headers, method="POST")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:  # noqa: PERF203 – that is the point
            if error.code == 503 and attempt < ATTEMPTS:
                time.sleep(float(error.headers.get("Retry-After", 1)))
                continue
            raise Refused(f"{error.code}: {error.read().decode(errors='replace')}") from None
        except (OSError, ValueError) as error:  # no connection, none that lasts, or no JSON
            raise Refused(str(error)) from None
    raise AssertionError("the last attempt returns or raises")


def doubts(report: dict[str, Any]) -> list[str]:
    """Why not to rely on an answer; none where one may."""
    found = list(report["answer"]["reasons"])
    if report["alarm"] is not None and report["alarm"]["flag"]:
        found.append("it looks attacked")
    quality = report.get("quality") or {"warnings": []}
    return found + [warning["message"] for warning in quality["warnings"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("--address", default=ADDRESS)
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--json", action="store_true", help="print the whole report")
    given = parser.parse_args()
    try:
        token = given.token_file.read_text().strip() if given.token_file else None
        report = assess(given.image.read_bytes(), given.address, token)
    except (OSError, Refused) as error:
        print(f"assess.py: {error}", file=sys.stderr)
        return 2
    reasons = doubts(report)
    if given.json:
        print(json.dumps(report))
    elif reasons:
        print(f"No answer to rely on: {'; '.join(reasons)}.")
    else:
        print(f"{report['answer']['class']}, one of {', '.join((report['prediction_set'] or {}).get('classes', []))}")
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
