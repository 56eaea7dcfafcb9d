"""The page of the deployment: what is generated into it, from the records that are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("tomllib", reason="needs Python 3.11 or later")
pytest.importorskip("aiohttp", reason="needs edge-mdda[develop]: tools.load")
from tests import profiles
from tests.test_soak import GOOD
from tools import deploy_page, hardening
from tools.sections import fill


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the page with empty sections."""
    text = (Path(deploy_page.__file__).parents[1] / "deploy" / "README.md").read_text()
    for name in ("hardening", "hardening of serve", "soak", "load", "arm64-proof", "profile"):
        text = fill(text, name, "")
    (tmp_path / "page.md").write_text(text)
    monkeypatch.setattr(hardening, "markdown", lambda unit=hardening.WATCH: f"{unit.name} is very safe")
    return tmp_path / "page.md"


def test_what_is_on_record_is_filled_in_and_the_rest_stays(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = page.parent
    (folder / "soak.json").write_text(json.dumps(GOOD))
    none = folder / "none.json"
    deploy_page.main(page, record=folder / "soak.json", proof=none, profile=none, loaded=none)
    text = page.read_text()
    assert "<!-- generated: hardening -->\nedge-mdda-watch.service is very safe\n<!-- end -->" in text
    assert "<!-- generated: hardening of serve -->\nedge-mdda-serve.service is very safe\n<!-- end -->" in text
    assert "| lost, repeated | 0, 0 |" in text
    assert "<!-- generated: arm64-proof -->\n\n<!-- end -->" in text
    assert "none.json is not there: the section arm64-proof stays as it is" in capsys.readouterr().err


@pytest.mark.programs
def test_a_profile_tells_every_stage_and_what_litert_says_of_the_same_file() -> None:
    profile = profiles.measured()
    profile["litert_benchmark"] = {
        "threads": 1,
        "runs": 100,
        "ours_median_ms": [20.0, 21.0],
        "theirs_median_ms": [20.5, 20.5],
        "ratio": 1.0,
        "agree": True,
        "explanation": "ours is 1.00 times theirs (0.98 to 1.02 over 2 rounds): they agree within 10%",
    }
    profile["conditions"] = []
    text = deploy_page.profile_markdown(profile)
    configurations = profile["configurations"]
    for stage, times in configurations[0]["stages"].items():
        assert f"| {stage.replace('_', ' ')} | {times['median']:.2f} | {times['p95']:.2f} |" in text
    assert (
        "threads 1, medians of 100 inferences in ms: ours 20.00, 21.00; theirs 20.50, 20.50. Ours is 1.00 times theirs"
        in text
    )
    assert text.endswith("they agree within 10%.")
    profile["first_calls"] = [{"wall_ms": 1500.0, "peak_mib": 150.0, "cache": "warm"}]
    profile["conditions"] = [{"found": "a 5-minute load of 3"}]
    profile["litert_benchmark"] = None
    text = deploy_page.profile_markdown(profile)
    assert "litert-benchmark" not in text
    assert "the most memory it had: 1.5 s, 150 MiB, with the kernel cache warm.\n\nWhile it ran: a 5-min" in text
