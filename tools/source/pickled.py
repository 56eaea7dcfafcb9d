"""Pickled PyTorch modules, as torch.save writes them (.pt, .pth): unpickling runs any code that the file holds."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from tools.source import DEFAULT_SIDE
from tools.source.module import Module


def read(path: Path, side: int | None, layout: str | None) -> Module:
    """See `tools.source.open`, which lets only trusted files come here; the module's classes must be importable."""
    found = torch.load(path, map_location="cpu", weights_only=False)
    if not isinstance(found, nn.Module):
        raise ValueError(
            f"expected a whole module in {path}, got {type(found).__name__}: weights without their network"
        )
    side = side or DEFAULT_SIDE
    return Module("PyTorch module", found.eval(), layout or "NCHW", side, side)
