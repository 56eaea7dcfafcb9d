"""Choose the thresholds of `edge_mdda.quality`, and measure what they find and what colour constancy changes.

    python -m tools.quality --data DATA

Writes edge_mdda/quality/quality.json, which the device reads; models/quality.json, the record; models/quality.png, the
ROC curves; and models/QUALITY.md, the page with all tables.

Thresholds are chosen on `val` alone: all measures get the same part of its images above their threshold, as large as
`RATE` allows for the images with any warning. Nobody looked at these images for faults, so some of what counts as a
false warning is a true one. What is found is measured in spoilt copies (`tools.spoil`), five severities of each fault.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from edge_mdda import colour_constancy, image, model, quality
from tools import atomic, calibrate, card, constancy, dataset, evaluate, metrics, quality_page, spoil
from tools.robustness.corruptions import SEVERITIES

SCHEMA = "edge-mdda/quality-record/1"
SPLITS = ("val", "test", "external")
#: Part of the images of `val` that may have a warning.
RATE = 0.05
#: What the ROC curves are drawn of, on `test`: the middle severity.
DRAWN = 3
_POINTS = 101

Pixels = NDArray[np.uint8]
Measures = dict[str, NDArray[np.float64]]


def light(pixels: Pixels) -> NDArray[np.float64]:
    """The mean colour of the light in images, uint8 (N, H, W, 3): a unit vector (3,)."""
    total = np.sum([colour_constancy.light(picture) for picture in pixels], axis=0)
    return np.asarray(total / np.linalg.norm(total))


def measure(pixels: Pixels, usual: NDArray[np.float64], cache: Path | None = None) -> Measures:
    """The measures of images, uint8 (N, H, W, 3), by name, (N,) each, with the light that is usual.

    They are read from the cache's folder if the same was asked before, with the same code.
    """
    asked = hashlib.sha256(usual.tobytes() + pixels.tobytes())
    for file in (*sorted(Path(quality.__file__).parent.glob("*.py")), Path(colour_constancy.__file__)):
        asked.update(file.read_bytes())
    stored = None if cache is None else cache / f"{asked.hexdigest()}.npy"
    if stored is not None and stored.is_file():
        return dict(zip(quality.ADVICE, np.load(stored), strict=True))
    found = np.array([list(quality.measure(picture, usual).values()) for picture in pixels]).T
    if stored is not None:
        content = io.BytesIO()
        np.save(content, found)
        atomic.write(stored, content.getvalue())
    return dict(zip(quality.ADVICE, found, strict=True))


def choose(measures: Measures, rate: float = RATE) -> dict[str, float]:
    """Thresholds that the same number of images exceed each, as many as keep those with any warning within `rate`."""
    count = len(next(iter(measures.values())))
    chosen: dict[str, float] = {}
    for above in range(int(rate * count) + 1):
        tried = {name: _ceil(np.sort(values)[count - 1 - above]) for name, values in measures.items()}
        if chosen and warned(measures, tried).mean() > rate:
            break
        chosen = tried
    return chosen


def warned(measures: Measures, thresholds: dict[str, float]) -> NDArray[np.bool_]:
    """Which images have any warning, (N,)."""
    return np.any([values > thresholds[name] for name, values in measures.items()], axis=0)


def spoilt(pixels: Pixels, name: str, severity: int) -> Pixels:
    """A spoilt copy of each image; the same call gives the same copies."""
    random = np.random.default_rng([list(spoil.FAULTS).index(name), severity])
    return np.stack([spoil.spoil(name, picture, severity, random) for picture in pixels])


def part(found: NDArray[np.bool_]) -> dict[str, Any]:
    """The part of images that something holds for, with its 95 % interval."""
    return {"part": float(found.mean()), "part_95": metrics.wilson(int(found.sum()), len(found))}


def detection(clean: Measures, copies: dict[str, list[Measures]], thresholds: dict[str, float]) -> dict[str, Any]:
    """For each fault and severity: AUROC of its measure against the unspoilt images, and the part that is found."""
    return {
        name: [
            {"auroc": calibrate.auroc(clean[name], each[name]), **part(each[name] > thresholds[name])}
            for each in severities
        ]
        for name, severities in copies.items()
    }


def roc(usual: NDArray[np.float64], unusual: NDArray[np.float64]) -> dict[str, list[float]]:
    """The part found by the part of unspoilt images warned of, at a hundred thresholds."""
    levels = [*np.quantile(usual, np.linspace(1, 0, _POINTS)), -np.inf]
    return {
        "false": [float((usual > level).mean()) for level in levels],
        "found": [float((unusual > level).mean()) for level in levels],
    }


def camera_images(data: Path) -> Pixels | None:
    """Images as a camera wrote them, of any compression, from the folder native of the data set; None without."""
    files = sorted((data / "native").glob("*.jpg"))
    if not files:
        return None
    return np.stack([image.fit(image.decode(file.read_bytes()), quality.SIDE, quality.SIDE) for file in files])


def main(
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    constants: Annotated[Path, typer.Option(help="What the device reads.")] = Path("edge_mdda/quality/quality.json"),
    out: Annotated[Path, typer.Option(help="Folder for the record, the figure and the page.")] = Path("models"),
    bundle: Annotated[Path | None, typer.Option(help="Bundle for colour constancy; default: the shipped one.")] = None,
    copies: Annotated[int, typer.Option(help="Images of each split that are spoilt.", min=1)] = 100,
    limit: Annotated[int | None, typer.Option(help="Only so many images of each split: a trial.", min=1)] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder of what was measured before, to go on from.")] = None,
) -> None:
    """Choose the thresholds on val, measure on test and external, and write constants, record, figure and page."""
    samples = dataset.read(data)
    images = {}
    for split in SPLITS:
        chosen = dataset.select(samples, split)
        chosen = [chosen[position] for position in evaluate.spread(len(chosen), limit)]
        images[split], _ = dataset.load(chosen, quality.SIDE)

    usual = light(images["val"]).round(6)
    clean = {}
    for split, pixels in images.items():
        typer.echo(f"{split}, {len(pixels)} images", err=True)
        clean[split] = measure(pixels, usual, cache)
    thresholds = choose(clean["val"])
    known = {"command": command(copies, limit), "light": usual.tolist(), "thresholds": thresholds}
    atomic.write(constants, json.dumps(known, indent=1) + "\n")
    record: dict[str, Any] = {
        "schema": SCHEMA,
        **known,
        "rate": RATE,
        "copies": copies,
        "severities": list(SEVERITIES),
        "drawn": DRAWN,
        "clean": {},
        "found": {},
        "roc": {},
        "also": {},
    }
    cameras = camera_images(data)
    every = clean if cameras is None else {**clean, "camera": measure(cameras, usual)}
    for split, measures in every.items():
        record["clean"][split] = {
            "images": len(measures["focus"]),
            "any": part(warned(measures, thresholds)),
            **{name: part(values > thresholds[name]) for name, values in measures.items()},
        }
    for split, pixels in images.items():
        some = pixels[evaluate.spread(len(pixels), copies)]
        made: dict[str, list[Measures]] = {}
        for name in spoil.FAULTS:
            typer.echo(f"{split}, copies: {name}", err=True)
            made[name] = [measure(spoilt(some, name, severity), usual, cache) for severity in SEVERITIES]
        record["found"][split] = detection(clean[split], made, thresholds)
        if split == "test":
            for name, severities in made.items():
                at = severities[SEVERITIES.index(DRAWN)]
                record["roc"][name] = roc(clean[split][name], at[name])
                record["also"][name] = {
                    other: float((values > thresholds[other]).mean()) for other, values in at.items()
                }
    record["colour_constancy"] = constancy.measure(model.load(bundle), data, usual, copies, limit, cache)
    record = card.rounded(record)
    atomic.write(out / quality_page.RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    atomic.write(out / quality_page.FIGURE, quality_page.draw(record))
    atomic.write(out / quality_page.PAGE, quality_page.markdown(record))


def command(copies: int, limit: int | None) -> str:
    """This program's command line, by names alone: no folder of the machine it ran on."""
    return f"python -m tools.quality --copies {copies}" + ("" if limit is None else f" --limit {limit}")


def _ceil(value: float) -> float:
    """The value rounded up to six decimals, so that it does not fall below itself."""
    return float(np.ceil(value * 1e6) / 1e6)


if __name__ == "__main__":
    typer.run(main)
