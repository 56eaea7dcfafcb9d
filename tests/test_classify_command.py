"""`edge-mdda classify` in child processes: reports, pictures, bad images, closed pipes, full disks, interrupts."""

from __future__ import annotations

import errno
import json
import os
import pty
import shutil
import signal
import subprocess
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mdda import EDGE, PAPER_LARGE, Parameters, image, model
from tests.program import CHEAP, CHECKOUT, PICTURE, PROGRAM, errors, refused, reports, run

CLASSES = set(model.load().labels)


def open_when_read(path: Path) -> int | None:
    """Open a pipe for writing, if the other side has opened it for reading; otherwise wait a moment."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        time.sleep(0.02)
        return None


def test_json_holds_the_documented_keys_and_one_seed_gives_one_result(lesion: Path, tmp_path: Path) -> None:
    def once(folder: str) -> tuple[dict[str, Any], bytes]:
        options = ["--json", "--seed", "18446744073709551615", "--save-purified", tmp_path / folder]
        process = run("classify", lesion, *options)
        assert errors(process) == []
        assert process.returncode == 0
        (report,) = reports(process)
        return report, (tmp_path / folder / "lesion.purified.png").read_bytes()

    report, purified = once("first")
    assert report["schema"] == "edge-mdda/report/1"
    assert report["image"] == str(lesion)
    for verdict in (report["raw"], report["purified"]):
        assert set(verdict) == {"probabilities", "top"}
        assert set(verdict["probabilities"]) == CLASSES
        assert sum(verdict["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert verdict["top"] == max(verdict["probabilities"], key=verdict["probabilities"].get)
    assert report["disagree"] is (report["raw"]["top"] != report["purified"]["top"])
    assert report["seed"] == 2**64 - 1
    assert set(report["parameters"]) == {field.name for field in fields(Parameters)}
    assert Parameters(**report["parameters"]) == EDGE
    assert report["model"] == {"name": model.load().name, "sha256": model.load().sha256}
    stages = {"decode", "fit", "quality", "raw_inference", "purify", "purified_inference", "judge", "total"}
    assert set(report["milliseconds"]) == stages
    assert all(value >= 0 for value in report["milliseconds"].values())
    assert image.decode(purified).shape == (model.load().height, model.load().width, 3)

    again, purified_again = once("second")
    assert purified_again == purified
    assert [again[key] for key in report if key != "milliseconds"] == [
        report[key] for key in report if key != "milliseconds"
    ]


def test_a_person_gets_a_table_a_figure_and_the_disclaimer(lesion: Path, tmp_path: Path) -> None:
    figure = tmp_path / "figure.png"
    process = run("classify", lesion, *CHEAP, "--figure", figure)
    text = process.stdout.decode()
    assert process.returncode == 0
    assert errors(process) == []
    assert all(code in text for code in CLASSES)
    assert "purified" in text
    assert "not a medical device" in text
    assert image.decode(figure.read_bytes()).shape[2] == 3


def test_without_purification_and_from_standard_input() -> None:
    process = run("classify", "-", "--json", "--no-purify", stdin=image.encode_jpeg(PICTURE))
    assert process.returncode == 0
    (report,) = reports(process)
    assert report["image"] == "-"
    assert [report[key] for key in ("purified", "disagree", "seed", "parameters")] == [None] * 4


def test_the_mode_and_the_coverage_asked_for_are_in_the_report(lesion: Path) -> None:
    process = run("classify", lesion, "--json", "--purify", "always", "--coverage", "0.95", "--seed", "1")
    (report,) = reports(process)
    assert process.returncode == 0
    assert (report["purify"], report["answer"]["from"]) == ("always", "purified")
    assert report["prediction_set"]["coverage"] == 0.95
    assert report["prediction_set"]["classes"][0] == report["answer"]["class"] == report["purified"]["top"]
    (by_default,) = reports(run("classify", lesion, "--json", "--seed", "1"))
    assert (by_default["purify"], by_default["prediction_set"]["coverage"]) == ("auto", 0.9)
    for key in ("uncertainty", "out_of_distribution", "alarm"):
        assert by_default[key]["flag"] is (by_default[key]["score"] > by_default[key]["threshold"])
    (never,) = reports(run("classify", lesion, "--json", "--purify", "never"))
    assert (never["purify"], never["answer"]["from"], never["purified"], never["alarm"]) == ("never", "raw", None, None)


def test_samples_are_reported_and_replayed_by_their_seed(lesion: Path) -> None:
    options = ["--json", "--samples", "3", "--seed", "4"]
    (first,), (second,) = (reports(run("classify", lesion, *options)) for _ in range(2))
    assert (first["samples"], first["frames"], first["seed"]) == (3, 1, 4)
    assert first["purified"] == second["purified"]
    (one,) = reports(run("classify", lesion, "--json", "--seed", "4"))
    assert one["samples"] == 1
    assert (one["raw"], one["purified"] == first["purified"]) == (first["raw"], False)


def test_an_image_without_an_answer_has_an_exit_code_only_where_it_is_asked_for(tmp_path: Path) -> None:
    """A blank frame is no dermoscopic image."""
    blank = tmp_path / "blank.png"
    blank.write_bytes(image.encode_png(np.full((64, 64, 3), 128, np.uint8)))
    plain, coded = (run("classify", blank, "--json", "--no-purify", *options) for options in ([], ["--exit-code"]))
    assert (plain.returncode, coded.returncode) == (0, 7)
    (report,) = reports(coded)
    assert report["answer"]["abstained"] is True
    assert "not dermoscopic" in report["answer"]["reasons"]
    assert "No answer: this does not look like a dermoscopic image" in run("classify", blank).stdout.decode()


def test_an_image_taken_badly_is_warned_of_and_has_no_answer_only_where_quality_is_required(tmp_path: Path) -> None:
    dark = tmp_path / "dark.png"
    dark.write_bytes(image.encode_png(PICTURE // 8))
    plain, required = (run("classify", dark, "--json", "--no-purify", *more) for more in ([], ["--require-quality"]))
    assert (plain.returncode, required.returncode) == (0, 8)
    for process in (plain, required):
        (report,) = reports(process)
        warnings = {each["name"]: each["message"] for each in report["quality"]["warnings"]}
        assert "more light" in warnings["dark"]
        assert ("poor quality" in report["answer"]["reasons"]) is (process is required)
    assert report["answer"]["abstained"] is True
    said = " ".join(run("classify", dark, "--no-purify", "--require-quality").stdout.decode().split())
    assert "Image quality: too dark: give it more light." in said
    assert "No answer: the image's quality is too poor" in said


def test_a_good_image_has_its_answer_where_quality_is_required() -> None:
    process = run("classify", "models/samples/lesion.png", "--json", "--no-purify", "--require-quality")
    (report,) = reports(process)
    assert process.returncode == 0
    assert report["quality"]["warnings"] == []
    assert "poor quality" not in report["answer"]["reasons"]


def test_colour_constancy_takes_a_lamps_colour_away(tmp_path: Path) -> None:
    lesion = image.decode((CHECKOUT / "models/samples/lesion.png").read_bytes())
    (tmp_path / "a.png").write_bytes(image.encode_png(lesion))
    (tmp_path / "b.png").write_bytes(image.encode_png((lesion * np.array([1.0, 0.8, 0.7])).astype(np.uint8)))

    def distance(*options: str) -> float:
        first, second = reports(run("classify", tmp_path, "--json", "--no-purify", *options))
        assert first["colour_constancy"] is second["colour_constancy"] is bool(options)
        verdicts = [report["raw"]["probabilities"] for report in (first, second)]
        return sum(abs(verdicts[0][code] - verdicts[1][code]) for code in CLASSES)

    assert distance("--colour-constancy") < distance() / 2


def test_a_failed_image_has_the_exit_code_before_a_doubtful_one(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(image.encode_png(np.full((64, 64, 3), 128, np.uint8)))
    (tmp_path / "2.png").write_bytes(b"not an image")
    process = run("classify", tmp_path, "--json", "--no-purify", "--exit-code")
    assert process.returncode == 3
    assert len(reports(process)) == 1


def test_a_bundle_without_a_calibration_works_as_far_as_it_can(lesion: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(model.load().folder, folder)
    card = json.loads((folder / "card.json").read_text())
    del card["sha256"]["calibration.json"]
    (folder / "card.json").write_text(json.dumps(card))
    process = run("classify", lesion, "--json", "--model", folder, *CHEAP)
    (report,) = reports(process)
    assert (process.returncode, report["purify"], report["answer"]["from"]) == (0, "always", "purified")
    assert [report[key] for key in ("prediction_set", "uncertainty", "out_of_distribution", "alarm")] == [None] * 4
    process = run("classify", lesion, "--json", "--model", folder, "--purify", "auto")
    assert "expected a model calibrated for these parameters" in refused(process, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--purify", "maybe"], "expected --purify auto, always, never, got 'maybe'"),
        (["--purify", "auto", "--no-purify"], "expected --no-purify or --purify auto, got both"),
        (["--purify", "auto", *CHEAP], "expected a model calibrated for these parameters"),
        (["--coverage", "0.995"], "expected a coverage in whole per cent from 0.50 to 0.99, got 0.995"),
        (["--coverage", "90"], "expected a coverage in whole per cent"),
        (["--samples", "65"], "expected --samples in [1, 64], got 65"),
        (["--samples", "2", "--no-purify"], "expected --samples or --purify never, got both"),
        (["--save-purified", "purified", "--purify", "never"], "expected --save-purified or --purify never, got both"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_work(lesion: Path, options: list[str], message: str) -> None:
    assert message in refused(run("classify", lesion, *options), 2)


def test_parameters_given_replace_those_of_the_preset(lesion: Path) -> None:
    options = ["--preset", "paper-large", *CHEAP, "--channels", "joint", "--total-variation", "anisotropic"]
    process = run(
        "classify",
        lesion,
        "--json",
        *options,
        "--sigma-meaning",
        "variance",
        "--threads",
        "1",
        "--step-sizes",
        "accelerated",
    )
    (report,) = reports(process)
    assert Parameters(**report["parameters"]) == replace(
        PAPER_LARGE,
        blocks=1,
        iterations=1,
        scales=(0,),
        channels="joint",
        total_variation="anisotropic",
        sigma_meaning="variance",
        step_sizes="accelerated",
    )
    assert report["threads"] == {"purify": 1, "inference": 1}


def test_of_a_folder_the_rest_is_finished_when_one_is_bad(tmp_path: Path) -> None:
    """A wrong extension is no fault, the content counts; what is no image by name is left out."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "1.png").write_bytes(image.encode_png(PICTURE))
    (folder / "2.png").write_bytes(b"not an image")
    (folder / "3.png").write_bytes(image.encode_jpeg(PICTURE))
    (folder / "notes.txt").write_text("not to be read")
    out = tmp_path / "out"
    process = run("classify", folder, "--json", *CHEAP, "--save-purified", out, "--figure", tmp_path / "figure.png")
    assert process.returncode == 3
    assert [report["image"] for report in reports(process)] == [str(folder / "1.png"), str(folder / "3.png")]
    assert errors(process) == [f"edge-mdda: {folder / '2.png'}: expected a JPEG or PNG image, got something else"]
    assert sorted(os.listdir(out)) == ["1.purified.png", "3.purified.png"]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["figure-1.png", "figure-3.png"]
    seeds = {report["seed"] for report in reports(process)}
    assert len(seeds) == 2


def test_a_glob_and_two_images_of_one_name_keep_a_file_each(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.png").write_bytes(image.encode_png(PICTURE))
    process = run("classify", tmp_path / "*" / "*.png", "--json", *CHEAP, "--save-purified", tmp_path / "out")
    assert process.returncode == 0
    assert [report["image"] for report in reports(process)] == [str(tmp_path / n / "same.png") for n in ("a", "b")]
    assert sorted(os.listdir(tmp_path / "out")) == ["same.purified-2.png", "same.purified.png"]


def test_each_bad_image_is_one_line_that_names_it(tmp_path: Path) -> None:
    encoded = image.encode_png(PICTURE)
    huge = encoded[:16] + (10**6).to_bytes(4, "big") * 2 + encoded[24:]
    contents = {
        "empty.png": (b"", "got an empty file"),
        "text.jpg": (b"hello", "expected a JPEG or PNG image, got something else"),
        "animation.png": (b"GIF89a" + bytes(100), "expected a JPEG or PNG image, got GIF"),
        "cut.png": (encoded[: len(encoded) // 2], "got a truncated one"),
        "cut.jpg": (image.encode_jpeg(PICTURE)[:500], "got a truncated one"),
        "huge.png": (huge, "expected at most 50000000 pixels, got 1000000×1000000"),
        "small.png": (image.encode_png(PICTURE[:31]), "expected sides of at least 32 pixels, got 70×31"),
    }
    for name, (content, _) in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    missing = {
        "missing\n.png": "got nothing of that name",
        "folder": "expected a folder with images",
        "*.tiff": "expected a pattern that matches files, got no match",
    }
    process = run("classify", "--no-purify", "--json", *(tmp_path / name for name in (*missing, *contents)))
    assert process.returncode == 3
    assert process.stdout == b""
    messages = [*missing.values(), *(message for _, message in contents.values())]
    lines = errors(process)
    assert len(lines) == len(messages)
    for line, name, message in zip(lines, [*missing, *contents], messages, strict=True):
        assert name.split()[0] in line
        assert message in line


def test_empty_standard_input_is_refused() -> None:
    assert "-: expected a JPEG or PNG image, got an empty file" in refused(run("classify", "-", "--no-purify"), 3)


def test_an_altered_model_is_refused(lesion: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(model.load().folder, folder)
    with (folder / "model.tflite").open("r+b") as file:
        file.write(b"\0\0\0\1")
    assert "altered or damaged" in refused(run("classify", lesion, "--model", folder), 4)


def test_a_missing_runtime_is_named_with_its_install_line(lesion: Path, tmp_path: Path) -> None:
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").touch()  # stands before the installed one, and has nothing in it
    process = run("classify", lesion, "--runtime", "litert", "--no-purify", PYTHONPATH=str(tmp_path))
    assert refused(process, 5).endswith("got none installed: pip install ai-edge-litert")


def test_a_figure_without_a_folder_is_refused_before_the_work(lesion: Path, tmp_path: Path) -> None:
    process = run("classify", lesion, "--figure", tmp_path / "missing" / "figure.png")
    assert "expected a folder" in refused(process, 6)


def test_a_reader_that_went_away_is_an_error_not_a_traceback(lesion: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [*PROGRAM, "classify", str(lesion), "--no-purify"], stdout=writing, stderr=subprocess.PIPE, cwd=CHECKOUT
    )
    os.close(writing)
    assert process.returncode == 6
    assert process.stderr.decode() == "edge-mdda: expected to write to standard output, got: Broken pipe\n"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk_under_the_results_is_an_error_not_a_traceback(lesion: Path, options: list[str]) -> None:
    command = [*PROGRAM, "classify", str(lesion), "--no-purify", *options]
    with open("/dev/full", "wb") as full:
        process = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=CHECKOUT)
    assert process.returncode == 6
    assert process.stderr == b"edge-mdda: expected to write to standard output, got: No space left on device\n"


def test_a_terminal_of_another_encoding_gets_question_marks(lesion: Path) -> None:
    process = run("classify", lesion, "--no-purify", PYTHONIOENCODING="ascii")
    assert process.returncode == 0
    assert b"%" in process.stdout


def test_an_interrupt_ends_it_quietly(tmp_path: Path) -> None:
    """Interrupted while it reads from a pipe, so that the moment is certain."""
    path = tmp_path / "image.png"
    os.mkfifo(path)
    child = subprocess.Popen([*PROGRAM, "classify", str(path), "--no-purify"], stderr=subprocess.PIPE, cwd=CHECKOUT)
    writing = None
    while writing is None and child.poll() is None:
        writing = open_when_read(path)
    assert writing is not None
    child.send_signal(signal.SIGINT)
    time.sleep(0.1)
    os.close(writing)  # ends the read, if the signal came just before it
    _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (130, b"edge-mdda: interrupted\n")


def test_on_a_terminal_several_images_have_a_progress_bar_and_clean_json(lesion: Path) -> None:
    terminal, end = pty.openpty()
    command = [*PROGRAM, "classify", str(lesion), str(lesion), "--no-purify", "--json"]
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=end, cwd=CHECKOUT)
    os.close(end)
    bar = os.read(terminal, 2**16).decode()
    os.close(terminal)
    assert process.returncode == 0
    assert "2/2" in bar
    assert len(reports(process)) == 2
