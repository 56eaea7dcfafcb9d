"""Generated sections of a page: what stands between `<!-- generated: NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re


def fill(page: str, name: str, content: str) -> str:
    """Replace one generated section; ValueError when the page does not have it."""
    pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"expected a section <!-- generated: {name} --> … <!-- end -->, got none")
    return pattern.sub(lambda match: f"{match[1]}{content.rstrip()}\n{match[2]}", page, count=1)
