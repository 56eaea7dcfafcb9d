"""Run the package on emulated 64-bit ARM: count the instructions of each stage, and pass its tests.

    deploy/arm64/userland.sh ROOT
    python -m deploy.arm64.emulate ROOT --json models/arm64.json

Instructions repeat to 0.01 %; the time of the emulation says nothing about a board. Standard library only. Whether the
package installs there and answers as it does here: `deploy.arm64.prove`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
#: MIDR part number and features of each core, for the /proc/cpuinfo that LiteRT and LLVM read; NEON is "asimd".
CORES = {
    "cortex-a53": ("0xd03", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a72": ("0xd08", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a76": ("0xd0b", "fp asimd evtstrm crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"),
}
PROCESSORS = 4
#: The tests of everything that runs on a device, but for those that start programs: a guest cannot.
TESTS = (
    *("assessment", "classifier", "image", "interpreter", "kernels", "model", "noise", "parameters", "purifier"),
    *("meeting", "reference", "report", "vectorised"),
)


def cpuinfo(core: str) -> str:
    """What a board with this core has in /proc/cpuinfo."""
    part, features = CORES[core]
    lines = f"Features\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\n"
    return "".join(
        f"processor\t: {n}\nBogoMIPS\t: 108.00\n{lines}CPU part\t: {part}\nCPU revision\t: 3\n\n"
        for n in range(PROCESSORS)
    )


def python(root: Path, core: str, arguments: list[str], *, counted: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the guest's Python on a core; with the instruction counter if `counted`."""
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc" / "cpuinfo").write_text(cpuinfo(core))
    environment = {"PYTHONPATH": f"{PROJECT}:/site", "NUMBA_CACHE_DIR": str(root / "cache" / core)}
    command = ["qemu-aarch64", "-cpu", core, "-L", str(root)]
    for name, value in environment.items():
        command += ["-E", f"{name}={value}"]
    if counted:
        command += ["-plugin", str(root / "icount.so")]
    command += [str(root / "usr/bin/python3.11"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=PROJECT, check=False, env={"PATH": os.environ["PATH"]}
    )


def count(root: Path, core: str) -> dict[str, int]:
    """Instructions of every stage of every preset, and of one inference."""
    result = python(root, core, [str(HERE / "guest.py")], counted=True)
    if result.returncode:
        raise RuntimeError(f"expected the guest to finish, got exit code {result.returncode}:\n{result.stderr}")
    names = json.loads(result.stdout.splitlines()[-1])
    marks = [int(line.split()[1]) for line in result.stderr.splitlines() if line.startswith("MARK ")]
    if len(names) != len(marks):
        raise RuntimeError(f"expected {len(names)} marks, got {len(marks)}")
    totals: dict[str, int] = {}
    for position, name in enumerate(names):
        if name:
            totals[name] = totals.get(name, 0) + marks[position] - marks[position - 1]
    return totals


def markdown(counts: dict[str, dict[str, int]]) -> str:
    """Millions of instructions: a row a stage, a column a core, and each preset's sum."""

    def row(name: str, *stages: str) -> str:
        sums = [sum(of[stage] for stage in stages) for of in counts.values()]
        return f"| {name} | {' | '.join(f'{total / 1e6:.1f}' for total in sums)} |"

    names = list(next(iter(counts.values())))
    lines = [f"| millions of instructions | {' | '.join(counts)} |", f"|---|{'---|' * len(counts)}"]
    for whole in dict.fromkeys(name.partition(": ")[0] for name in names):
        stages = [name for name in names if name.partition(": ")[0] == whole]
        lines.append(row(f"**{whole}**", *stages))
        if stages != [whole]:
            lines += [row(stage, stage) for stage in stages]
    return "\n".join(lines)


def main() -> int:
    """Count, print, test; returns the exit code of the tests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, metavar="ROOT", help="as userland.sh made it")
    parser.add_argument("--core", action="append", choices=CORES, help="may be repeated; by default all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts here too")
    parser.add_argument("--no-tests", action="store_true", help="count only")
    options = parser.parse_args()
    root, cores = options.root.resolve(), options.core or list(CORES)
    if shutil.which("qemu-aarch64") is None:
        parser.error("expected qemu-aarch64 on the path (apt-get install qemu-user), got none")
    for needed in ("usr/bin/python3.11", "site", "icount.so"):
        if not (root / needed).exists():
            parser.error(f"expected a ROOT made by userland.sh, got {options.root} without {needed}")
    counts = {core: count(root, core) for core in cores}
    print(markdown(counts), flush=True)
    if options.json:
        record = {"schema": "edge-mdda/instructions/1", "image": "224×224×3", "threads": 1, "instructions": counts}
        options.json.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    failed = 0
    for core in () if options.no_tests else cores:
        files = [str(PROJECT / "tests" / f"test_{name}.py") for name in TESTS]
        result = python(root, core, ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not programs", *files])
        print(f"{core}: {result.stdout.splitlines()[-1] if result.stdout else result.stderr}", flush=True)
        if result.returncode:
            print(result.stdout, result.stderr, sep="\n", file=sys.stderr)
        failed = failed or result.returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
