"""Imported once by the process that children are forked from: kernels loaded, no model, no thread.

A child then starts in the time a fork takes, and shares this memory until it writes to it; loading everything anew
would take a second here and several on a small board, too long for a service that has to go on after a crash.
"""

from __future__ import annotations

import importlib
from contextlib import suppress

from edge_mdda import assessment as assessment
from edge_mdda import figure as figure
from edge_mdda import interpreter, purifier
from edge_mdda.service import worker as worker

purifier.warm_up()
for name in interpreter.MODULES.values():
    with suppress(ImportError):
        importlib.import_module(name)
        break
