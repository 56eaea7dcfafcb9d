"""What is wrong with a request, and the status, code and sentence that it is answered with."""

from __future__ import annotations

from edge_mdda.errors import (
    EdgeMddaError,
    ImageError,
    ModelError,
    OutputError,
    ParameterError,
    RuntimeMissingError,
    TooLargeError,
    TooLateError,
)

#: Every status but 200 that the service answers with: its code in the JSON, and what it means.
CODES = {
    400: ("bad image", "the image cannot be decoded, or is not one that is accepted"),
    401: ("unauthorised", "the token is missing or wrong"),
    403: ("forbidden", "the request comes from a page of another origin"),
    404: ("not found", "there is nothing at this path"),
    405: ("method not allowed", "the path takes other methods"),
    408: ("slow upload", "the body did not arrive in time"),
    413: ("too large", "the body has too many bytes or the image too many pixels"),
    415: ("unsupported type", "the body is neither an image nor a form with one"),
    421: ("misdirected", "the request is for a host of another name"),
    422: ("bad parameter", "a query parameter is unknown or out of its range"),
    500: ("failed", "the process that runs the model crashed over this image; the next one gets a new one"),
    503: ("busy", "too many are waiting, or the model is not loaded; Retry-After says when to come again"),
    504: ("too late", "the image took longer than it may"),
    507: ("not archived", "the image could not be stored, as the service was asked to; there is no report either"),
}


class Problem(Exception):
    """A request that is answered with an error; an exception because it ends the work on it.

    Attributes:
        status: one of `CODES`.
        detail: what was expected and what came.
        retry_after: seconds, for 503.
    """

    def __init__(self, status: int, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after

    @property
    def content(self) -> dict[str, str]:
        """The JSON of the answer."""
        return {"error": CODES[self.status][0], "detail": self.detail}

    @property
    def headers(self) -> dict[str, str]:
        """What the answer's headers add."""
        headers = {"Cache-Control": "no-store"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


def of(error: EdgeMddaError) -> Problem:
    """The problem that an error of the worker amounts to."""
    if isinstance(error, TooLargeError):
        return Problem(413, str(error))
    if isinstance(error, ImageError):
        return Problem(400, str(error))
    if isinstance(error, ParameterError):
        return Problem(422, str(error))
    if isinstance(error, TooLateError):
        return Problem(504, str(error))
    if isinstance(error, OutputError):
        return Problem(507, str(error))
    if isinstance(error, (ModelError, RuntimeMissingError)):  # no new worker could be started, and may later
        return Problem(503, str(error), retry_after=10)
    return Problem(500, str(error))
