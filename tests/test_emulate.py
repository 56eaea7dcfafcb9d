"""The command that counts instructions on emulated ARM: what it tells the guest, and what it makes of the marks."""

from __future__ import annotations

import json
import subprocess

import pytest

from deploy.arm64 import emulate


def finished(names, counts, code=0):
    marks = "".join(f"MARK {count}\n" for count in counts)
    return subprocess.CompletedProcess([], code, f"noise\n{json.dumps(names)}\n", f"noise\n{marks}noise\n")


def test_stages_are_counted_from_mark_to_mark_and_added_up(monkeypatch, tmp_path):
    names = ["", "edge: denoise", "edge: fuse", "edge: denoise", "", "int8 inference"]
    monkeypatch.setattr(emulate, "python", lambda *_, **__: finished(names, [10, 30, 35, 55, 1000, 1100]))
    counts = emulate.count(tmp_path, "cortex-a72")
    assert counts == {"edge: denoise": 40, "edge: fuse": 5, "int8 inference": 100}


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (finished(["", "edge: fuse"], [1]), "expected 2 marks, got 1"),
        (finished([], [], code=139), "expected the guest to finish, got exit code 139"),
    ],
)
def test_a_guest_that_fails_is_told(monkeypatch, tmp_path, result, message):
    monkeypatch.setattr(emulate, "python", lambda *_, **__: result)
    with pytest.raises(RuntimeError, match=message):
        emulate.count(tmp_path, "cortex-a72")


@pytest.mark.parametrize("core", emulate.CORES)
def test_the_guest_sees_the_processors_of_its_core(core):
    text = emulate.cpuinfo(core)
    assert text.count("processor\t:") == text.count(f"CPU part\t: {emulate.CORES[core][0]}") == emulate.PROCESSORS
    assert text.count("asimd ") == emulate.PROCESSORS
    assert ("asimddp" in text) == (core == "cortex-a76")


def test_the_table_has_each_presets_sum_above_its_stages():
    counts = {"edge: denoise": 2_000_000, "edge: fuse": 500_000, "int8 inference": 1_000_000}
    lines = emulate.markdown({"cortex-a53": counts, "cortex-a72": counts}).splitlines()
    assert lines[0] == "| millions of instructions | cortex-a53 | cortex-a72 |"
    assert lines[2:] == [
        "| **edge** | 2.5 | 2.5 |",
        "| edge: denoise | 2.0 | 2.0 |",
        "| edge: fuse | 0.5 | 0.5 |",
        "| **int8 inference** | 1.0 | 1.0 |",
    ]
