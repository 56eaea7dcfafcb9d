"""The program in child processes, whatever the command: version, help, wrong usage, and what it costs to say no."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import CHECKOUT, PROGRAM, errors, refused, run


def test_warmup_says_where_the_kernels_are_kept() -> None:
    process = run("warmup")
    assert process.returncode == 0
    assert errors(process) == []
    place = Path(process.stdout.decode().rstrip().rpartition("kept in ")[2])
    assert list(place.glob("mdda.*.nbi"))


def test_the_version_is_that_of_the_package() -> None:
    from edge_mdda import __version__

    process = run("--version")
    assert (process.returncode, process.stdout.decode()) == (0, f"edge-mdda {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing command"),
        (["classify"], "Missing argument 'IMAGE...'"),
        (["classify", "x.png", "--bogus"], "No such option"),
        (
            ["classify", "x.png", "--preset", "none"],
            "expected preset out of paper-small, paper-large, edge, got 'none'",
        ),
        (["classify", "x.png", "--sigma", "1.5"], "expected sigma in [0, 1], got 1.5"),
        (["purify", "x.png", "y.png", "--step-sizes", "none"], "expected step_sizes out of learned, accelerated"),
        (["classify", "x.png", "--scales", "1,0"], "expected consecutive ascending scales"),
        (["classify", "x.png", "--threads", "0"], "expected threads in [1, 64], got 0"),
        (
            ["classify", "x.png", "--runtime", "torch"],
            "expected runtime out of auto, litert, tflite-runtime, got 'torch'",
        ),
        (["classify", "x.png", "--figure", "x.jpg"], "expected a file ending in .png for --figure, got x.jpg"),
        (["purify", "x.png", "y.png", "--seed", "-1"], "expected seed in [0, 2^64), got -1"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments: list[str], message: str) -> None:
    assert message in refused(run(*arguments), 2)


@pytest.mark.parametrize("arguments", [["classify", "--help"], ["classify", "x.png", "--preset", "none"]])
def test_help_and_argument_errors_take_under_0_4_s_of_cpu_time(arguments: list[str]) -> None:
    """The least of three runs: a busy machine makes every one of them slower."""

    def seconds() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    taken = []
    for _ in range(3):
        before = seconds()
        run(*arguments)
        taken.append(seconds() - before)
    assert min(taken) < 0.4, taken


def test_help_version_and_argument_errors_import_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from edge_mdda.__main__ import main\n"
        "for arguments in (['--help'], ['--version'], ['classify', '--help'], ['purify', '--help'], ['classify'],\n"
        "                  ['profile', '--help'], ['compare', '--help'], ['doctor', '--help'], ['compare', 'x.json'],\n"
        "                  ['profile', '--threads', 'x'],\n"
        "                  ['classify', 'x.png', '--sigma', '2'], ['classify', 'no-such-file.png']):\n"
        "    sys.argv[1:] = arguments\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit:\n"
        "        heavy = {'numba', 'cv2', 'numpy', 'rich', 'ai_edge_litert', 'tflite_runtime'} & set(sys.modules)\n"
        "        assert not heavy, (arguments, heavy)\n"
        "print('checked')\n"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=CHECKOUT)
    assert process.stdout.endswith("checked\n"), process.stderr


def test_the_kernels_are_loaded_without_scipy(tmp_path: Path) -> None:
    # Stands for an installed SciPy, which the test environment need not have.
    (tmp_path / "scipy.py").write_text("raise SystemExit('SciPy was imported')\n")
    process = run("warmup", PYTHONPATH=str(tmp_path))
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["classify", "--help"], ["--version"]])
def test_help_and_version_answer_a_full_disk_and_a_closed_pipe(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    full = os.open("/dev/full", os.O_WRONLY)
    for target in (writing, full):
        process = subprocess.run([*PROGRAM, *arguments], stdout=target, stderr=subprocess.PIPE, cwd=CHECKOUT)
        os.close(target)
        assert process.returncode == 6
        assert process.stderr.startswith(b"edge-mdda: expected to write to standard output, got")
        assert process.stderr.count(b"\n") == 1


def test_an_interrupt_while_it_is_still_starting_is_one_line_too() -> None:
    script = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from edge_mdda.__main__ import main\n"
        "main()\n"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=CHECKOUT)
    assert (process.returncode, process.stderr) == (130, b"edge-mdda: interrupted\n")


def test_help_documents_the_exit_codes() -> None:
    words = run("classify", "--help").stdout.decode().partition("Exit codes:")[2].split()
    assert [word for word in words if word.isdecimal()] == ["0", "2", "3", "4", "5", "6", "7", "8", "130"]
