"""Reverse adversarial perturbations in dermoscopic images and classify them, on the device.

Names are imported when first used, so `import edge_mdda` loads neither numba nor OpenCV nor a TFLite runtime.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_mdda.assessment import assess as assess
    from edge_mdda.classifier import Classifier as Classifier
    from edge_mdda.errors import EdgeMddaError as EdgeMddaError
    from edge_mdda.parameters import EDGE as EDGE
    from edge_mdda.parameters import PAPER_LARGE as PAPER_LARGE
    from edge_mdda.parameters import PAPER_SMALL as PAPER_SMALL
    from edge_mdda.parameters import Parameters as Parameters
    from edge_mdda.purifier import Purifier as Purifier
    from edge_mdda.purifier import purify as purify
    from edge_mdda.report import Report as Report

_HOMES = {
    "EDGE": "parameters",
    "PAPER_LARGE": "parameters",
    "PAPER_SMALL": "parameters",
    "Parameters": "parameters",
    "EdgeMddaError": "errors",
    "Purifier": "purifier",
    "purify": "purifier",
    "Classifier": "classifier",
    "Report": "report",
    "assess": "assessment",
}
__all__ = [
    "EDGE",
    "PAPER_LARGE",
    "PAPER_SMALL",
    "Classifier",
    "EdgeMddaError",
    "Parameters",
    "Purifier",
    "Report",
    "assess",
    "purify",
]
__version__: str


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # 30 ms that only `--version` needs

    try:
        return version("edge-mdda")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0+unknown"
