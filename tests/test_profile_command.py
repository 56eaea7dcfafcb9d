"""`edge-mdda profile` as a program: what it writes is what its schema promises."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from edge_mdda.device import pipeline, profile
from edge_mdda.errors import ModelError
from tests import profiles
from tests.flatbuffers_made import addition
from tests.program import errors, refused, run

VALIDATOR = jsonschema.Draft202012Validator(profile.schema(), format_checker=jsonschema.FormatChecker())


def test_the_schema_is_one_and_names_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(profile.schema())
    assert profile.schema()["title"] == profile.SCHEMA


def test_the_json_keeps_to_the_schema() -> None:
    found = profiles.measured()
    VALIDATOR.validate(found)
    assert tuple(found["configurations"][0]["stages"]) == pipeline.STAGES
    assert found["configurations"][0]["stages"]["total"]["count"] == 5
    assert (found["first_calls"], found["long_run"]) == ([], None)
    assert found["purification"]["preset"] == "edge"


@pytest.mark.parametrize("key", profile.schema()["required"])
def test_a_profile_without_one_of_its_keys_is_refused(key: str) -> None:
    found = profiles.measured()
    del found[key]
    assert not VALIDATOR.is_valid(found)
    with pytest.raises(ModelError, match="expected a"):
        profile.check(found, "here")


def test_a_value_of_another_kind_breaks_the_schema() -> None:
    for change in ({"created": 3}, {"configurations": []}, {"schema": "edge-mdda/profile/2"}):
        assert not VALIDATOR.is_valid({**profiles.measured(), **change})


def test_the_stages_of_the_schema_are_those_of_the_pipeline() -> None:
    known = profile.schema()["$defs"]["configuration"]["properties"]["stages"]["propertyNames"]["enum"]
    assert tuple(known) == pipeline.STAGES


def test_two_thread_counts_a_long_run_a_picture_and_both_files(tmp_path: Path, lesion: Path) -> None:
    out, page = tmp_path / "p.json", tmp_path / "p.html"
    options = ["--images", "5", "--no-starts", "--threads", "2,1", "--minutes", "0.01", "--image", lesion]
    process = run("profile", *options, "--json", out, "--html", page, "--preset", "paper-large")
    assert process.returncode == 0, process.stderr
    found = json.loads(out.read_text())
    VALIDATOR.validate(found)
    assert [of["threads"] for of in found["configurations"]] == [2, 1]
    assert found["image"]["file"] == "lesion.png"
    assert (found["image"]["width"], found["image"]["height"]) == (70, 50)
    assert found["purification"]["preset"] == "paper-large"
    assert found["long_run"]["images"] > 0
    assert page.read_text().startswith("<!DOCTYPE html>")
    said = process.stdout.decode()
    assert "2 threads: " in said
    assert found["long_run"]["statement"] in said
    assert "edge-mdda: board" in errors(process)


def test_any_tflite_file_can_be_profiled(tmp_path: Path) -> None:
    file = tmp_path / "addition.tflite"
    file.write_bytes(addition())
    process = run("profile", *profiles.QUICK, "--model", file, "--json", "-")
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    VALIDATOR.validate(found)
    assert (found["model"]["name"], found["model"]["classifies"], found["purification"]) == ("addition", False, None)
    assert set(found["configurations"][0]["stages"]) == {"raw_inference", "total"}
    assert found["litert_benchmark"]["ratio"] is None
    assert "too coarse" in found["litert_benchmark"]["explanation"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--threads", "one"], 2, "expected threads as in 1,2,4, got 'one'"),
        (["--threads", "0"], 2, "expected threads in [1, 64], got 0"),
        (["--preset", "none"], 2, "expected preset out of"),
        (["--images", "4"], 2, "expected at least 5 images, got 4"),
        (["--minutes", "-1"], 2, "expected minutes in [0, 1440], got -1.0"),
        (["--runtime", "torch"], 2, "expected runtime out of"),
        (["--json", "no/such/folder/p.json"], 6, "expected a folder no/such/folder, got none"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_measured(options: list[str], code: int, words: str) -> None:
    assert words in refused(run("profile", *options), code)


def test_an_image_that_cannot_be_used_is_refused_before_anything_is_measured(tmp_path: Path, lesion: Path) -> None:
    cut = tmp_path / "cut.png"
    cut.write_bytes(lesion.read_bytes()[:-20])
    process = run("profile", "--image", cut)
    assert process.returncode == 3
    assert errors(process) == ["edge-mdda: board", "edge-mdda: expected a complete PNG image, got a truncated one"]


def test_a_model_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "no.tflite"
    file.write_bytes(b"no")
    process = run("profile", *profiles.QUICK, "--model", file)
    assert process.returncode == 4
    assert "expected a TFLite model" in errors(process)[-1]


def test_a_file_that_is_no_profile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").write_text("not JSON")
    for name, words in (
        ("a", "expected a profile of schema"),
        ("b", "expected a profile in"),
        ("c", "expected a prof"),
    ):
        with pytest.raises(ModelError, match=words):
            profile.read(tmp_path / f"{name}.json")
