"""PyTorch exported programs, as torch.export.save writes them (.pt2)."""

from __future__ import annotations

from pathlib import Path

import torch

from tools.source import tell_layout
from tools.source.module import Module


def read(path: Path, side: int | None, layout: str | None) -> Module:
    """See `tools.source.open`; the program's own example input tells layout and size."""
    try:
        program = torch.export.load(path)
    except Exception as error:  # whatever is wrong with the archive, torch has no one error for it
        raise ValueError(f"expected an exported program in {path}, got: {error}") from None
    if program.example_inputs is None or program.example_inputs[1] or len(program.example_inputs[0]) != 1:
        raise ValueError(f"expected an exported program with one input in {path}")
    shape = tuple(program.example_inputs[0][0].shape)
    found, height, width = tell_layout(shape, side)
    if layout not in (None, found):
        raise ValueError(f"expected an exported program of layout {layout}, got an input {shape}")
    return Module("PyTorch exported program", program.module(), found, height, width)
