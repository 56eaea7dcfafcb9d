"""Keras models (.keras, .h5), read by Keras 3 on its PyTorch backend: a Keras model is then a PyTorch module."""

from __future__ import annotations

import os
from pathlib import Path

from tools.source import tell_layout
from tools.source.module import Module


def read(path: Path, side: int | None, layout: str | None) -> Module:
    """See `tools.source.open`; Keras's safe mode refuses files with code in them (Lambda layers)."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        import keras
    except ImportError as error:
        raise ImportError(f"expected Keras 3 to read {path}, got none: pip install 'edge-mdda[convert]'") from error
    if keras.backend.backend() != "torch":
        raise ValueError(f"expected Keras with KERAS_BACKEND=torch, got {keras.backend.backend()}")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError, AttributeError) as error:
        raise ValueError(f"expected a Keras model in {path}, got: {error}") from None
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"expected one input and one output, got {len(model.inputs)} and {len(model.outputs)}")
    found, height, width = tell_layout(tuple(model.inputs[0].shape), side)
    if layout not in (None, found):
        raise ValueError(f"expected a Keras model of layout {layout}, got an input {tuple(model.inputs[0].shape)}")
    return Module("Keras model", model.eval(), found, height, width)
