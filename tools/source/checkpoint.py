"""Checkpoints of `tools.train`."""

from __future__ import annotations

from pathlib import Path

from tools import checkpoint
from tools.source import DEFAULT_SIDE
from tools.source.module import Module


def read(path: Path, side: int | None, layout: str | None) -> Module:
    """See `tools.source.open`; the network takes images of any side."""
    if layout not in (None, "NCHW"):
        raise ValueError(f"expected the layout NCHW of a checkpoint of tools.train, got {layout}")
    side = side or DEFAULT_SIDE
    return Module("checkpoint of tools.train", checkpoint.read(path), "NCHW", side, side)
