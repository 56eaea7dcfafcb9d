"""Prove on emulated 64-bit ARM what a board would do: install without a network, run, answer as this machine does.

    python -m deploy.arm64.prove WORK --json deploy/arm64.json

For Raspberry Pi OS 12 (Debian 12, Python 3.11) on the core of a Raspberry Pi 4 and for 13 (Debian 13, Python 3.13) on
that of a Pi 5: `userland.sh` makes the system, `wheelhouse.sh` the wheels, `install.sh` puts them in; then the
installed program warms up, examines the device, purifies and classifies, and what comes out is compared with what the
same commands give here; last, the quick tests run against the installed wheel, not the checkout. Needs what
`userland.sh` needs, and about 3 GB in WORK. Ends with 1 where something differs or a test fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deploy.arm64.emulate import HERE, PROJECT, cpuinfo
from edge_mdda import image, output
from edge_mdda.parameters import PRESETS
from tools.machine import machine

SCHEMA = "edge-mdda/arm64-proof/1"
SAMPLES = PROJECT / "models" / "samples"
PICTURES = ("lesion.png", "lesion_adversarial.png", "example.png")
SEED = "1"
#: How far scores may be apart. They are sums of float32, which NumPy adds up in an order that depends on the width of
#: the processor's vectors; what the kernels and the model give does not, and has to be the same to the last bit.
SCORES = 1e-4
#: The tests of what runs on a device, the kernels and the model included; each starts few programs, or none.
TESTS = (
    *("appearance", "arrivals", "assessment", "board", "bundle_store", "calibration", "classifier", "compare"),
    *(
        "conditions",
        "conformal",
        "doctor",
        "doubt",
        "endurance",
        "image",
        "interpreter",
        "jetson",
        "journal",
        "kernels",
        "meeting",
    ),
    *("model", "noise", "operators", "parameters", "power", "purifier", "raspberry_pi", "reference", "report"),
    *("sensors", "subject", "supervisor", "system", "vectorised", "watch", "watch_command"),
)
#: What the tests need of the checkout beside the package itself.
FOR_TESTS = ("tests", "tools", "deploy", "models", "pyproject.toml", "README.md")


@dataclass(frozen=True)
class Guest:
    """An emulated device: the file of constraints it installs with, and its core."""

    board: str
    core: str


GUESTS = {
    "bookworm": Guest("raspberry-pi-os-12", "cortex-a72"),
    "trixie": Guest("raspberry-pi-os-13", "cortex-a76"),
}


def run(command: list[Any], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command away from the checkout's package; RuntimeError with its last words unless it ends with 0 or 7."""
    known = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, cwd=HERE, env={**known, **environment}
    )
    if result.returncode not in (0, 7):  # 7: doctor found a problem
        words = (result.stderr or result.stdout)[-3000:]
        raise RuntimeError(f"expected {' '.join(map(str, command))} to end with 0, got {result.returncode}:\n{words}")
    return result


def install(work: Path, release: str) -> None:
    """Make the system, unless it is there, and the wheels; install them with the very script of the boards."""
    guest, root = GUESTS[release], work / release
    if not (root / "icount.so").exists():  # the last thing that userland.sh makes
        run([HERE / "userland.sh", root, release])
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc" / "cpuinfo").write_text(cpuinfo(guest.core))
    for old in ("wheelhouse", "board"):
        shutil.rmtree(root / old, ignore_errors=True)
    run([HERE.parent / "wheelhouse.sh", guest.board, root / "wheelhouse"])
    where = ["--root", root / "board", "--python", root / "usr/local/bin/python3", "--board", guest.board]
    # An index that is not there: what is not in the wheelhouse would be missed.
    run([root / "wheelhouse" / "install.sh", *where], PIP_INDEX_URL="http://127.0.0.1:9/", QEMU_CPU=guest.core)


def use(program: list[Any], folder: Path, **environment: str) -> dict[str, Any]:
    """What the program makes of the samples: reports of each preset, purified pixels, and what doctor finds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pictures = [SAMPLES / name for name in PICTURES]
    warm = run([*program, "warmup"], **environment)
    reports: dict[str, Any] = {}
    for preset in PRESETS:
        options = ["--json", "--seed", SEED, "--threads", "1", "--purify", "always", "--preset", preset]
        lines = run([*program, "classify", *options, "--save-purified", folder / preset, *pictures], **environment)
        for line in lines.stdout.splitlines():
            report = json.loads(line)
            del report["milliseconds"]
            reports[f"{preset}, {Path(report['image']).name}"] = report
    run([*program, "purify", "--seed", SEED, SAMPLES / "lesion.png", folder / "lesion.png"], **environment)
    doctor = json.loads(run([*program, "doctor", "--json"], **environment).stdout)
    return {
        "warmup": warm.stderr.strip() or warm.stdout.strip(),
        "reports": reports,
        "purified": {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))},
        "doctor": {check["name"]: check["status"] for check in doctor["checks"]},
    }


def compare(here: dict[str, Any], there: dict[str, Any]) -> dict[str, Any]:
    """How far two results of `use` are apart: in probabilities, scores, words, pixels and files."""
    probabilities, others, words = 0.0, 0.0, 0
    for name, report in here["reports"].items():
        mine, other = _leaves(report), _leaves(there["reports"][name])
        if mine.keys() != other.keys():
            raise ValueError(f"expected the keys of {name} as here, got {sorted(mine.keys() ^ other.keys())} apart")
        for key, value in mine.items():
            if not isinstance(value, float):
                words += value != other[key]
            elif ".probabilities." in key:
                probabilities = max(probabilities, abs(value - other[key]))
            else:
                others = max(others, abs(value - other[key]))
    pictures = [
        (image.decode(content), image.decode(there["purified"][name])) for name, content in here["purified"].items()
    ]
    steps = [np.abs(mine.astype(int) - other.astype(int)) for mine, other in pictures]
    return {
        "reports": len(here["reports"]),
        "largest_difference_of_probabilities": round(probabilities, 6),
        "largest_difference_of_scores": round(others, 6),
        "different_words": words,
        "purified_images": len(steps),
        "bytes": sum(step.size for step in steps),
        "different_bytes": int(sum(np.count_nonzero(step) for step in steps)),
        "largest_difference_of_bytes": int(max(step.max() for step in steps)),
        "different_files": sum(there["purified"][name] != content for name, content in here["purified"].items()),
    }


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every single value of a report, by the way to it."""
    if not isinstance(value, (dict, list)):
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {way: leaf for key, item in items for way, leaf in _leaves(item, f"{path}.{key}").items()}


def test(work: Path, release: str) -> dict[str, int]:
    """The quick tests against the installed wheel, told in `tests.log`: how many passed, failed and were skipped."""
    root, guest = work / release, GUESTS[release]
    python = next((root / "board/opt/edge-mdda/versions").iterdir()) / "bin" / "python"
    packages = next((python.parent.parent / "lib").glob("python3.*")) / "site-packages"
    # Behind the wheels that are installed: what only the tests need.
    (packages / "of_tests.pth").write_text(f"{root / 'site'}\n")
    copy = root / "tests"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in FOR_TESTS:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("checkpoints", "__pycache__"))
        else:
            shutil.copy(source, copy / name)
    files = [f"tests/test_{name}.py" for name in TESTS]
    options = ["-q", "-p", "no:cacheprovider", "-m", "not data and not workstation", "--durations=15"]
    environment = {"QEMU_CPU": guest.core, "NUMBA_CACHE_DIR": str(root / "board/var/cache/edge-mdda")}
    known = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "EDGE_MDDA_DATA")}
    command = [python, "-m", "pytest", *options, *files]
    with (root / "tests.log").open("w") as log:  # to be read while they run: they take long
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=copy, env={**known, **environment})
    return outcomes((root / "tests.log").read_text())


def outcomes(said: str) -> dict[str, int]:
    """How many tests passed, failed and were skipped, from what pytest says.

    Raises:
        RuntimeError: it says nothing of it.
    """
    last = said.rstrip().rpartition("\n")[2]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)", last)}
    if "passed" not in counts:
        raise RuntimeError(f"expected pytest's last line, got {last!r}")
    failed = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    return {"passed": counts["passed"], "failed": failed, "skipped": counts.get("skipped", 0)}


def versions(python: list[Any], **environment: str) -> dict[str, str]:
    """Python and the libraries that compute, as a Python has them."""
    script = (
        "import json, platform; from importlib.metadata import version; print(json.dumps({'python':"
        " platform.python_version(), 'machine': platform.machine(), **{name: version(name) for name in"
        " ('numpy', 'numba', 'opencv-python-headless', 'ai-edge-litert')}}))"
    )
    return json.loads(run([*python, "-c", script], **environment).stdout)


def verdict(record: dict[str, Any]) -> list[str]:
    """What is wrong with a record; nothing if all is well."""
    wrong = []
    for release, guest in record["guests"].items():
        found = guest["compared"]
        exact = ("largest_difference_of_probabilities", "different_words", "different_bytes")
        wrong += [
            f"{release}: expected the answers of this machine, got {key.replace('_', ' ')} {found[key]}"
            for key in exact
            if found[key]
        ]
        if found["largest_difference_of_scores"] > SCORES:
            apart = found["largest_difference_of_scores"]
            wrong.append(f"{release}: expected scores within {SCORES:g} of this machine's, got {apart:g} apart")
        if guest["tests"] and guest["tests"]["failed"]:
            wrong.append(f"{release}: expected no failed test, got {guest['tests']['failed']}")
        wrong += [
            f"{release}: expected doctor to say ok of {name}, got {guest['doctor'][name]}"
            for name in ("architecture", "userland", "runtime", "numpy", "kernel cache", "model")
            if guest["doctor"][name] != "ok"
        ]
    return wrong


def markdown(record: dict[str, Any]) -> str:
    """A record as the section of the page: a column a guest."""
    guests = list(record["guests"].values())
    rows = {
        "board's constraints, core": [f"{guest['board']}, {guest['core']}" for guest in guests],
        "Python, NumPy, Numba, LiteRT": [
            ", ".join(guest["versions"][name] for name in ("python", "numpy", "numba", "ai-edge-litert"))
            for guest in guests
        ],
        "reports compared, largest difference of a probability": [
            f"{guest['compared']['reports']}, {guest['compared']['largest_difference_of_probabilities']:g}"
            for guest in guests
        ],
        "largest difference of a score in them, of sums of float32": [
            f"{guest['compared']['largest_difference_of_scores']:g}" for guest in guests
        ],
        "bytes of purified images, different ones": [
            f"{guest['compared']['bytes']:,}, {guest['compared']['different_bytes']:,}" for guest in guests
        ],
        "doctor: ok, warning, problem": [
            ", ".join(str(list(guest["doctor"].values()).count(status)) for status in ("ok", "warning", "problem"))
            for guest in guests
        ],
        "quick tests: passed, failed, skipped": [
            ", ".join(map(str, guest["tests"].values())) if guest["tests"] else "not run" for guest in guests
        ],
    }
    there = record["here"]
    compared_with = ", ".join(f"{name} {there[name]}" for name in ("python", "numpy", "numba", "ai-edge-litert"))
    lines = [
        f"Compared with {record['machine']} ({compared_with}).",
        "",
        f"| | {' | '.join(record['guests'])} |",
        f"| --- |{' ---: |' * len(guests)}",
        *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()),
    ]
    return "\n".join(lines)


def main() -> int:
    """Install, compare, test, record; returns 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK", help="a folder for the emulated systems; kept, used again")
    parser.add_argument("--release", action="append", choices=GUESTS, help="may be repeated; by default both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here, anew after each guest")
    parser.add_argument("--installed", action="store_true", help="take what an earlier run installed")
    parser.add_argument("--no-tests", action="store_true", help="install and compare only")
    options = parser.parse_args()
    if shutil.which("qemu-aarch64") is None:
        parser.error("expected qemu-aarch64 on the path (apt-get install qemu-user), got none")
    work = options.work.resolve()
    python, checkout = [sys.executable], {"PYTHONPATH": str(PROJECT)}
    here = use([*python, "-m", "edge_mdda"], work / "here", **checkout)
    record: dict[str, Any] = {"schema": SCHEMA, "machine": machine(), "here": versions(python), "guests": {}}
    for release in options.release or GUESTS:
        guest, board = GUESTS[release], work / release / "board"
        if not options.installed:
            install(work, release)
        environment = {"QEMU_CPU": guest.core, "NUMBA_CACHE_DIR": str(board / "var/cache/edge-mdda")}
        there = use([board / "usr/local/bin/edge-mdda"], work / release / "out", **environment)
        interpreter = next((board / "opt/edge-mdda/versions").iterdir()) / "bin" / "python"
        record["guests"][release] = {
            "board": guest.board,
            "core": guest.core,
            "versions": versions([interpreter], **environment),
            "warmup": there["warmup"].partition(",")[0],
            "doctor": there["doctor"],
            "compared": compare(here, there),
            "tests": None if options.no_tests else test(work, release),
        }
        if options.json:
            output.write(options.json, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    print(markdown(record))
    wrong = verdict(record)
    for line in wrong:
        print(line, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
