"""`edge-mdda purify`: one image in, the same image purified out, at its own resolution."""

from __future__ import annotations

import time
from pathlib import Path

from edge_mdda import limits, output, sources, terminal
from edge_mdda.errors import ParameterError
from edge_mdda.parameters import Parameters
from edge_mdda.report import printable

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}


def run(source: str, target: Path, parameters: Parameters, seed: int | None, threads: int | None) -> int:
    """Purify one image and write it as the target's ending says; returns the exit code 0.

    Raises:
        ParameterError: the target ends in something else than .png, .jpg or .jpeg, or the seed is out of range.
        ImageError: the image cannot be used.
        OutputError: the target cannot be written.
    """
    kind = _FORMATS.get(target.suffix.lower())
    if kind is None:
        raise ParameterError(f"expected an output file ending in {', '.join(_FORMATS)}, got {target}")
    (found, *more) = sources.find(source)
    if more or Path(source).is_dir():
        raise ParameterError(f"expected one image file, got {source}")

    from edge_mdda import image
    from edge_mdda.purifier import Purifier, draw_seed

    content = sources.read(found, limits.MAX_BYTES)
    with terminal.native_messages() as messages:
        pixels = image.decode(content)
    for message in messages:
        terminal.complain(f"{found}: warning: {message}")
    seed = draw_seed() if seed is None else seed
    purifier = Purifier(parameters, threads=threads)
    start = time.perf_counter()
    purified = purifier.purify(pixels, seed)
    milliseconds = (time.perf_counter() - start) * 1000
    output.write(target, image.encode_png(purified) if kind == "png" else image.encode_jpeg(purified))
    height, width = purified.shape[:2]
    terminal.say(f"{printable(str(target))}: {width}×{height} pixels, {milliseconds:.0f} ms, seed {seed}")
    return 0
