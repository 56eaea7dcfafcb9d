"""The image in a request's body: read within limits of size and time, kept in memory and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from edge_mdda.server.limits import Limits
from edge_mdda.server.problems import Problem

#: Types of a body that is an image; what it really is, its first bytes say.
IMAGE_TYPES = ("image/jpeg", "image/png", "application/octet-stream")
FORM = "multipart/form-data"
#: The field of a form that has the image.
FIELD = "image"
# Head, tail and boundary of a form with one image.
_FORM_MARGIN = 8192


class Bodies:
    """All bodies that are in memory, and the room for them; a class because that is counted over all requests."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._room = (limits.queue + 1) * (limits.body + _FORM_MARGIN)

    @asynccontextmanager
    async def image(self, request: Request) -> AsyncIterator[bytes]:
        """The encoded image of a request; its room is given back after the block.

        Raises:
            Problem: the body is of another type, too large, too slow, no form with an image, or there is no room.
            ClientDisconnect: whoever sent it is gone.
        """
        kind = _kind(request)
        taken = 0
        received = bytearray()
        try:
            limit = self._limits.body + (_FORM_MARGIN if kind == FORM else 0)
            _check_length(request, limit)
            end = asyncio.get_running_loop().time() + self._limits.upload
            stream = request.stream()
            while True:
                chunk = await self._next(stream, end)
                if chunk is None:
                    break
                if len(received) + len(chunk) > limit:
                    raise _too_large(limit)
                if len(chunk) > self._room:
                    raise Problem(503, "expected room for another body, got none: come again", retry_after=1)
                self._room -= len(chunk)
                taken += len(chunk)
                received += chunk
            content = bytes(received)
            received.clear()
            if kind == FORM:
                content = await _from_form(request, content)
                if len(content) > self._limits.body:
                    raise _too_large(self._limits.body)
            yield content
        finally:
            self._room += taken

    async def _next(self, stream: AsyncGenerator[bytes, None], end: float) -> bytes | None:
        left = end - asyncio.get_running_loop().time()
        try:
            return await asyncio.wait_for(anext(stream), max(left, 0))
        except StopAsyncIteration:
            return None
        except (asyncio.TimeoutError, TimeoutError):
            detail = f"expected the body within {self._limits.upload:g} s, got a part of it"
            raise Problem(408, detail) from None


def _kind(request: Request) -> str:
    given = request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if kind not in (*IMAGE_TYPES, FORM):
        known = ", ".join(IMAGE_TYPES)
        raise Problem(415, f"expected Content-Type {known} or {FORM}, got {kind[:100] or 'none'!r}")
    return kind


def _check_length(request: Request, limit: int) -> None:
    """Refuse a body by what its head says of it, before any of it is read."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> Problem:
    return Problem(413, f"expected a body of at most {limit} bytes, got more")


async def _from_form(request: Request, body: bytes) -> bytes:
    """The image of a form.

    Raises:
        Problem: it is no form, or has no file or several, or other fields.
    """

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    expected = f"expected a form with one file, the field {FIELD!r}"
    _, options = parse_options_header(request.headers["content-type"])
    if not options.get(b"boundary"):
        raise Problem(415, f"{expected}, got no boundary")
    parser = MultiPartParser(request.headers, whole(), max_files=1, max_fields=0)
    parser.spool_max_size = len(body) + 1  # never a temporary file on the disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Problem(400, f"{expected}, got: {error.message}") from None
    file = form.get(FIELD)
    if not isinstance(file, UploadFile):
        raise Problem(400, f"{expected}, got none")
    try:
        return await file.read()
    finally:
        await form.close()


__all__ = ["FIELD", "FORM", "IMAGE_TYPES", "Bodies", "ClientDisconnect"]
