"""`edge-mdda compare`: several profiles side by side."""

from __future__ import annotations

from pathlib import Path

from edge_mdda import output, terminal
from edge_mdda.errors import ModelError, ParameterError
from edge_mdda.report import printable

#: With --exit-code, what the program ends with where something got slower beyond the measured spread.
SLOWER = 7


def run(files: list[Path], html_file: Path | None, figure: Path | None, exit_code: bool) -> int:
    """Print a table of the profiles, write page and figure; exit code 0, or `SLOWER`.

    Raises:
        ParameterError: fewer than two files.
        ModelError: a file is no profile.
        OutputError: an output cannot be written.
    """
    if len(files) < 2:
        raise ParameterError(f"expected at least two profiles, got {len(files)}")
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from edge_mdda.device import compare, profile

    profiles = [profile.read(file) for file in files]
    try:
        found = compare.compare(profiles, _names(files))
        page = compare.to_html(found, profiles)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelError(f"expected profiles as {profile.SCHEMA} has them, got another form: {error!r}") from None
    if html_file is not None:
        output.write(html_file, page.encode())
    if figure is not None:
        output.write(figure, compare.svg_file(found).encode())
    table = Table("median (p5–p95), ms", box=SIMPLE_HEAD)
    for name in found.names:
        table.add_column(Text(printable(name)))
    colours = {compare.SLOWER: "bold red", compare.FASTER: "green", "": ""}
    for row in found.rows:
        cells = (Text(compare.cell(row, number), colours[mark]) for number, mark in enumerate(row.marks))
        table.add_row(row.name, *cells)
    terminal.say(terminal.render(table))
    terminal.say("\n".join(map(printable, compare.notes(found))))
    return SLOWER if exit_code and found.slower else 0


def _names(files: list[Path]) -> list[str]:
    """Names of the files without what they share: their stems, their paths where two stems are the same."""
    stems = [file.stem for file in files]
    return stems if len(set(stems)) == len(stems) else [str(file) for file in files]
