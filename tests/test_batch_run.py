"""Every image once, the same whatever the order, the moment and the number of processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from edge_mdda import image
from edge_mdda.assessor import Settings
from edge_mdda.batch import work
from edge_mdda.batch.pictures import Picture, find
from edge_mdda.batch.run import MAX_NAME, Run
from edge_mdda.batch.target import Target
from edge_mdda.errors import ImageError, ModelError
from edge_mdda.parameters import Parameters
from tests.conftest import draw

SETTINGS = Settings(parameters=Parameters(blocks=1, iterations=1, scales=(0,)), threads=1)


@pytest.fixture(scope="module")
def identity() -> dict[str, Any]:
    return work.identity(SETTINGS)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four images, one of them twice, and a file that is none."""
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "b.png", "sub/c.png")):
        (folder / name).write_bytes(image.encode_png(image.to_uint8(draw(48, 40, seed))))
    (folder / "sub" / "a again.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "d.jpg").write_bytes(b"no image")
    return folder


class Doing:
    """Runs into one folder, and what they assessed and said."""

    def __init__(self, folder: Path, identity: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.identity = identity
        self.assessed: list[str] = []
        self.said: list[str] = []
        self.counted: list[int] = []
        real = work.assess

        def assess(job: work.Job) -> work.Outcome:
            self.assessed.append(job.name)
            return real(job)

        monkeypatch.setattr(work, "assess", assess)

    def run(self, pictures: list[Picture], *, seed: int = 0, images: bool = True) -> Target:
        self.assessed[:], self.said[:], self.counted[:] = [], [], []
        target = Target(self.folder, {**self.identity, "seed": seed, "images": images})
        told = {"say": self.said.append, "advance": self.counted.append}
        try:
            Run(pictures, target, SETTINGS, self.identity, seed=seed, images=images, **told).do(None)
        finally:
            target.close()
        return target


@pytest.fixture
def doing(tmp_path: Path, identity: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Doing:
    return Doing(tmp_path / "out", identity, monkeypatch)


def reports(target: Target) -> dict[str, Any]:
    kept = ("sha256", "report", "purified", "error")
    return {name: {key: entry.get(key) for key in kept} for name, entry in target.entries.items()}


def test_results_depend_on_the_content_alone(
    source: Path, doing: Doing, tmp_path: Path, identity: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, _ = find(source)
    forward = doing.run(pictures)
    backward = Doing(tmp_path / "other", identity, monkeypatch).run(pictures[::-1])
    assert reports(forward) == reports(backward)
    first, again, other = (forward.entries[name] for name in ("a.png", "sub/a again.png", "b.png"))
    assert first["report"] == again["report"]
    assert first["report"]["seed"] != other["report"]["seed"]
    assert first["report"]["seed"] == work.seed_of(first["sha256"], 0) != work.seed_of(first["sha256"], 1)


def test_a_report_is_the_one_that_classify_prints_for_that_seed(source: Path, doing: Doing) -> None:
    from edge_mdda import Classifier, Purifier, assess

    target = doing.run(find(source)[0])
    kept = target.entries["a.png"]["report"]
    purifier = Purifier(SETTINGS.parameters, threads=1)
    report = assess((source / "a.png").read_bytes(), purifier, Classifier(threads=1), seed=kept["seed"])
    assert {code: round(value, 6) for code, value in report.purified.probabilities.items()} == (
        kept["purified"]["probabilities"]
    )
    assert (image.decode(target.picture("a.png").read_bytes()) == report.purified_pixels).all()
    assert not {"milliseconds", "image", "threads"} & kept.keys()


def test_what_is_done_is_not_done_again_and_what_failed_is_tried_again(source: Path, doing: Doing) -> None:
    pictures, _ = find(source)
    doing.run(pictures)
    assert sorted(doing.assessed) == [picture.name for picture in pictures]
    assert doing.said == ["d.jpg: expected a JPEG or PNG image, got something else"]
    assert doing.counted == [1, 2, 3, 4, 5]
    doing.run(pictures)
    assert doing.assessed == ["d.jpg"]
    assert doing.counted == [1, 2, 3, 4, 5]


def test_changed_and_new_images_are_done_and_touched_ones_are_not(source: Path, doing: Doing) -> None:
    doing.run(find(source)[0])
    (source / "d.jpg").write_bytes(image.encode_jpeg(image.to_uint8(draw(48, 40, 7))))
    (source / "b.png").write_bytes(image.encode_png(image.to_uint8(draw(48, 40, 8))))
    (source / "e.png").write_bytes(image.encode_png(image.to_uint8(draw(48, 40, 9))))
    os.utime(source / "a.png", ns=(1, 1))
    changed = doing.run(find(source)[0])
    assert sorted(doing.assessed) == ["b.png", "d.jpg", "e.png"]
    assert "report" in changed.entries["d.jpg"]
    doing.run(find(source)[0])
    assert doing.assessed == []


def test_a_picture_that_was_removed_is_made_again(source: Path, doing: Doing) -> None:
    target = doing.run(find(source)[0])
    before = target.picture("a.png").read_bytes()
    target.picture("a.png").unlink()
    doing.run(find(source)[0])
    assert doing.assessed == ["a.png", "d.jpg"]
    assert target.picture("a.png").read_bytes() == before


def test_without_images_none_is_kept(source: Path, doing: Doing) -> None:
    target = doing.run(find(source)[0], images=False)
    assert not (target.folder / "purified").exists()
    assert target.entries["a.png"]["purified"] is None


def test_missing_unreadable_and_overlong_names_fail_alone(source: Path, doing: Doing) -> None:
    longest, longer = "x" * (MAX_NAME - 4) + ".png", "x" * (MAX_NAME - 3) + ".png"
    for name in (longest, longer):
        (source / name).write_bytes((source / "a.png").read_bytes())
    pictures = [*find(source)[0], Picture("gone.png", source / "gone.png")]
    target = doing.run(pictures)
    assert target.entries["gone.png"]["error"] == [
        "ImageError",
        "expected a readable image file, got: No such file or directory",
    ]
    assert target.entries[longer]["error"][1].startswith("expected a name of at most 251 bytes, got 252")
    assert target.picture(longest).is_file()


def test_a_fault_of_ours_costs_one_image(
    source: Path, doing: Doing, identity: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Assessor:
        def assess(self, content: bytes, seed: int) -> Any:
            raise {6: ZeroDivisionError("by zero"), 8: MemoryError}.get(len(content), ImageError("no"))

    monkeypatch.setattr(work, "_assessor", lambda *_: Assessor())
    for name, content in (("a.png", b"123456"), ("b.png", b"12345678")):
        (source / name).write_bytes(content)
    target = doing.run(find(source)[0])
    errors = {name: entry["error"] for name, entry in target.entries.items()}
    assert errors["a.png"] == ["InferenceError", "expected an answer, got ZeroDivisionError: by zero"]
    assert errors["b.png"] == ["ImageError", "expected enough memory for this image, got too little"]
    assert errors["d.jpg"] == ["ImageError", "expected enough memory for this image, got too little"]


def test_a_worker_with_another_model_is_refused(identity: dict[str, Any]) -> None:
    work._assessor.cache_clear()
    job = work.Job("a.png", b"", "aa", 0, SETTINGS, '{"version": "0"}')
    with pytest.raises(ModelError, match=r'expected a worker with \{"version": "0"\}, got one with \{'):
        work.assess(job)
