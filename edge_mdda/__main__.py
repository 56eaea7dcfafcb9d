"""Where the program starts: `edge-mdda`, or `python -m edge_mdda`.

Exit codes: 0 done; 2 wrong usage or a parameter out of range; 3 an image that cannot be used; 4 a model bundle that
cannot be used; 5 no TFLite runtime; 6 a result that could not be written; 9 no camera; 130 interrupted. With several
images the rest is finished, and the code is that of the first that failed. Every error is one line on standard error.
"""

from __future__ import annotations

import sys

from edge_mdda.startup import spare_libraries


def main() -> None:
    """Run the command line and exit with its code."""
    spare_libraries()
    try:
        # Imported here, for Ctrl-C to get its one line while this import, slow on a small board, goes on.
        from edge_mdda import command_line

        code = command_line.run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("edge-mdda: interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
