"""What the API takes and answers, in the words of OpenAPI 3.1: the parameters are checked by it, the rest describes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_mdda.judgement import Mode
from edge_mdda.parameters import PRESETS
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


class PurifyQuery(_Query):
    """How to purify an image."""

    size: Size = Field(
        "own", description="The image's own size, or the model's, where the picture is the one that is classified."
    )


_BINARY: dict[str, Any] = {}
_BODY = {
    "required": True,
    "content": {
        **{kind: {"schema": _BINARY} for kind in IMAGE_TYPES},
        FORM: {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "properties": {FIELD: {"type": "string", "contentMediaType": "application/octet-stream"}},
            }
        },
    },
}
_PROBLEM = {
    "type": "object",
    "required": ["error", "detail"],
    "properties": {"error": {"type": "string"}, "detail": {"type": "string"}},
}


def _responses(answer: dict[str, Any], *statuses: int) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {200: answer}
    for status in statuses:
        code, meaning = CODES[status]
        content = {"application/json": {"schema": _PROBLEM, "example": {"error": code, "detail": meaning}}}
        found[status] = {"description": meaning[0].upper() + meaning[1:] + ".", "content": content}
    return found


_JSON: dict[str, Any] = {"content": {"application/json": {"schema": {"type": "object"}}}}
_ALWAYS = (401, 403, 421)
_WORK = (400, 408, 413, 415, 422, 500, 503, 504)

ASSESS: dict[str, Any] = {
    "responses": _responses({"description": "The report.", **_JSON}, *_ALWAYS, *_WORK, 507),
    "openapi_extra": {"requestBody": _BODY},
}
PURIFY: dict[str, Any] = {
    "responses": _responses({"description": "The purified image.", "content": {"image/png": {}}}, *_ALWAYS, *_WORK),
    "openapi_extra": {"requestBody": _BODY},
}
HEALTH: dict[str, Any] = {"responses": _responses({"description": "How it is.", **_JSON}, 403, 421)}
MODEL: dict[str, Any] = {"responses": _responses({"description": "The model.", **_JSON}, *_ALWAYS, 500, 503, 504)}
EVENTS: dict[str, Any] = {
    "responses": _responses({"description": "Events.", "content": {"text/event-stream": {}}}, *_ALWAYS, 503)
}
