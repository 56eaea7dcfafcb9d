"""The service keeps to its own description, openapi.json, whatever schemathesis makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.program import CHECKOUT
from tests.served import Served, served

pytest.importorskip("schemathesis", reason="needs schemathesis (the extra develop)")
pytest.importorskip("fastapi", reason="needs the extra serve")
pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    with served("--upload-timeout", "5", "--timeout", "120") as running:
        yield running


def test_it_keeps_to_its_description_whatever_is_sent(service: Served) -> None:
    """Good and bad requests: every answer has a status, a type and a form that are described, and none is a failure."""
    # Events never end: they have a test of their own. What bytes are an image no description can say, so that bytes
    # that are none are refused is no failure.
    options = ["--exclude-path", "/v1/events", "--exclude-checks", "positive_data_acceptance"]
    options += ["--max-examples", "8", "--seed", "1", "--request-timeout", "120"]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{service.address}/openapi.json", *options, "--no-color"],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.openapi_pictures", "PYTHONPATH": str(CHECKOUT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert service.process.poll() is None


def test_every_path_and_status_is_described(service: Served) -> None:
    from edge_mdda.server.body import FIELD, FORM, IMAGE_TYPES

    paths = service.get("/openapi.json").json["paths"]
    assert set(paths) == {"/v1/assess", "/v1/purify", "/v1/health", "/v1/model", "/v1/events", "/metrics"}
    assessed = paths["/v1/assess"]["post"]
    assert set(assessed["requestBody"]["content"]) == {*IMAGE_TYPES, FORM}
    assert FIELD in assessed["requestBody"]["content"][FORM]["schema"]["properties"]
    statuses = ["200", "400", "401", "403", "408", "413", "415", "421", "422", "500", "503", "504", "507"]
    assert sorted(assessed["responses"]) == statuses
    assert {name["name"] for name in assessed["parameters"]} == {"preset", "seed", "purify", "coverage", "samples"}
