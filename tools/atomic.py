"""Write files so that a reader sees the old content or the new, never half of one."""

from __future__ import annotations

from pathlib import Path

from edge_mdda import output


def write(path: Path, content: bytes | str) -> None:
    """As `edge_mdda.output.write`, but text is taken too (as UTF-8) and a missing folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    output.write(path, content.encode() if isinstance(content, str) else content)
