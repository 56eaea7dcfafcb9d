"""The README's generated sections are filled between their marks and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("skimage", reason="needs scikit-image (the benchmark extra)")
pytest.importorskip("matplotlib", reason="needs the workstation extra")
from tools import readme

README = Path(__file__).resolve().parent.parent / "README.md"


def test_a_section_is_replaced_and_the_rest_is_kept():
    page = "before\n<!-- generated: one -->\nold\n<!-- end -->\nbetween\n<!-- generated: two -->\n<!-- end -->\nafter\n"
    filled = readme.fill(readme.fill(page, "one", r"new \1"), "two", "other\n")
    assert filled == page.replace("old", r"new \1").replace("two -->\n", "two -->\nother\n")


def test_a_missing_section_is_refused():
    with pytest.raises(ValueError, match="expected a section <!-- generated: three"):
        readme.fill("nothing", "three", "content")


def test_the_page_of_the_project_has_all_its_sections_filled():
    sections = re.findall(r"<!-- generated: (\w+) -->\n(.*?)<!-- end -->", README.read_text(), re.DOTALL)
    names = ["example", "model", "doubt", "benchmark", "growth", "scaling", "arm64", "presets", "robustness"]
    assert [name for name, _ in sections] == names
    assert all(len(content) > 200 for _, content in sections)


def test_the_page_of_the_models_has_every_bundle_of_the_folder():
    models = README.parent / "models"
    (section,) = re.findall(
        r"<!-- generated: bundles -->\n(.*?)<!-- end -->", (models / "README.md").read_text(), re.DOTALL
    )
    assert section.strip() == readme.bundles(models)


def test_a_folder_without_measured_bundles_is_refused(tmp_path: Path):
    (tmp_path / "converted").mkdir()
    (tmp_path / "converted" / "card.json").write_text("{}")
    with pytest.raises(ValueError, match=r"expected a bundle with a card of tools[.]card in .*, got none"):
        readme.bundles(tmp_path)
