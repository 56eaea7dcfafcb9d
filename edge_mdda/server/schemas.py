"""What the API takes and answers, in the words of OpenAPI 3.1: the parameters are checked by it, the rest describes."""

from __future__ import annotations

from typing import Any, Literal

from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from edge_mdda.judgement import Mode
from edge_mdda.limits import MAX_SAMPLES
from edge_mdda.parameters import PRESETS
from edge_mdda.server.answers import HealthAnswer, ModelAnswer, ProblemAnswer, ReportAnswer
from edge_mdda.server.body import FIELD, FORM, IMAGE_TYPES
from edge_mdda.server.problems import CODES
from edge_mdda.server.task import Size

DESCRIPTION = """Research software: not a medical device, and no guarantee against an attacker who knows the method.

Images are sent as they are, or as the field `image` of a form; nothing is stored unless the service was started with
`--archive`. Off loopback every path but the page and `/v1/health` wants `Authorization: Bearer` and the token."""

Preset = Literal["paper-small", "paper-large", "edge"]
assert set(PRESETS) == set(Preset.__args__)  # type: ignore[attr-defined]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid")

    preset: Preset | None = Field(None, description="Parameters of the purification; by default the service's.")
    seed: int | None = Field(None, ge=0, lt=2**64, description="Of the noise; fresh by default.")


class AssessQuery(_Query):
    """How to assess an image."""

    purify: Mode | None = Field(None, description="When the purified image gives the answer; the service's by default.")
    coverage: float | None = Field(
        None, ge=0.5, le=0.99, multiple_of=0.01, description="Part of each class's images in their prediction set."
    )
    samples: int | None = Field(
        None, ge=1, le=MAX_SAMPLES, description="Purifications whose probabilities are averaged."
    )


class PurifyQuery(_Query):
    """How to purify an image."""

    size: Size = Field(
        "own", description="The image's own size, or the model's, where the picture is the one that is classified."
    )


_PICTURE = {"type": "string", "format": "binary"}
_BODY = {
    "required": True,
    "content": {
        **{kind: {"schema": _PICTURE} for kind in IMAGE_TYPES},
        FORM: {"schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _PICTURE}}},
    },
}


def _responses(answer: dict[str, Any], *statuses: int) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {200: answer}
    for status in statuses:
        code, meaning = CODES[status]
        found[status] = {
            "model": ProblemAnswer,
            "description": f"{meaning[0].upper()}{meaning[1:]}.",
            "content": {"application/json": {"example": {"error": code, "detail": meaning}}},
        }
        if status == 503:
            found[status]["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}, "required": True}
            }
    return found


# Before anything else, of every path.
_GATE = (403, 421, 503)
_TOKEN = 401
_IMAGE = (400, 408, 413, 415, 422, 500, 504)

ASSESS: dict[str, Any] = {
    "responses": _responses(
        {
            "model": ReportAnswer,
            "description": "The report; with `--archive` the header X-Archived names the image kept.",
        },
        *_GATE,
        _TOKEN,
        *_IMAGE,
        507,
    ),
    "openapi_extra": {"requestBody": _BODY},
}
PURIFY: dict[str, Any] = {
    "responses": _responses(
        {
            "description": "The purified image.",
            "content": {"image/png": {"schema": _PICTURE}},
            "headers": {"X-Seed": {"description": "Of the noise.", "schema": {"type": "string"}, "required": True}},
        },
        *_GATE,
        _TOKEN,
        *_IMAGE,
    ),
    "openapi_extra": {"requestBody": _BODY},
    "response_class": Response,
}
HEALTH: dict[str, Any] = {"responses": _responses({"model": HealthAnswer, "description": "How it is."}, *_GATE)}
MODEL: dict[str, Any] = {
    "responses": _responses({"model": ModelAnswer, "description": "The model."}, *_GATE, _TOKEN, 500, 504)
}
EVENTS: dict[str, Any] = {
    "responses": _responses(
        {
            "description": "Events `report`, each with a report as its data; a comment every 15 seconds.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        *_GATE,
        _TOKEN,
    ),
    "response_class": Response,
}
METRICS: dict[str, Any] = {
    "responses": _responses(
        {"description": "Metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}, *_GATE, _TOKEN
    ),
    "response_class": Response,
}
