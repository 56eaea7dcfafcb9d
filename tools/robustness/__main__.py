"""The command line: run attacks, then report them.

    python -m tools.robustness run --model float=models/checkpoints/purified.ckpt --model int8=models/mobilenet_v2 \
        --attacks clean,paper --defences none,edge,edge-auto --limit 4
    python -m tools.robustness table
    python -m tools.robustness figures
    python -m tools.robustness verdict

Stop a run when you like, and start it again with more images, attacks or defences: what is done is not done twice.
"""

from __future__ import annotations

import typer

from tools.robustness import figures, merge, run, table, training, verdict

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_show_locals=False)
app.command("run")(run.main)
app.command("merge")(merge.main)
app.command("table")(table.main)
app.command("figures")(figures.main)
app.command("verdict")(verdict.main)
app.command("train")(training.main)

if __name__ == "__main__":
    app(prog_name="python -m tools.robustness")
