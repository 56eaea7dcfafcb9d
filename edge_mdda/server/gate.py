"""What every request passes: the host it names, the page it comes from, the token; and what is noted of it."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_mdda.server.limits import Limits
from edge_mdda.server.problems import Problem

#: Open without the token: a browser cannot send one with the page itself, and a watchdog has none.
OPEN = ("/", "/v1/health", "/openapi.json")
OPEN_FOLDER = "/page/"

#: Told of each request when it is over: method, path, status (0: the client went away), seconds.
Note = Callable[[str, str, int, float], None]


class Gate:
    """The outermost application; a class because ASGI applications are objects that are called.

    A name in the Host header is refused unless it is one of this machine's: a page of another site, whose name was made
    to point here, would be let in by a browser otherwise (DNS rebinding). A number is always right, since whoever asked
    for it knew where it goes.

    Args:
        app: what is behind the gate.
        token: what `Authorization: Bearer` has to say, None for no check.
        names: host names beside this machine's own.
        connections: how many there are now.
        limits: of their number, and of the seconds in which a client must take a piece of an answer.
        note: told of each request when it is over.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: bytes | None,
        names: Iterable[str],
        connections: Callable[[], int],
        limits: Limits,
        note: Note,
    ) -> None:
        own = socket.gethostname().lower()
        self._app = app
        self._token = token
        self._names = {"localhost", own, f"{own}.local", *(name.lower() for name in names)}
        self._connections = connections
        self._limits = limits
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await asyncio.wait_for(send(message), self._limits.upload)

        try:
            problem = self._examine(scope)
            if problem is None:
                await self._app(scope, receive, sending)
            else:
                answer = JSONResponse(problem.content, problem.status, headers=problem.headers)
                await answer(scope, receive, sending)
        except (asyncio.TimeoutError, TimeoutError):  # the client takes nothing; uvicorn closes what is unfinished
            pass
        finally:
            self._note(scope["method"], scope["path"], status, time.perf_counter() - start)

    def _examine(self, scope: Scope) -> Problem | None:
        if self._connections() > self._limits.connections:
            return Problem(503, f"expected at most {self._limits.connections} connections, got more", retry_after=1)
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return Problem(421, f"expected a number or a name of this machine in Host, got {host[:100]!r}")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return Problem(403, f"expected a page of this service, got one of {origin[:100]!r}")
        path = scope["path"]
        if self._token is None or path in OPEN or path.startswith(OPEN_FOLDER):
            return None
        given = headers.get("authorization", "").encode("latin-1")
        scheme, _, token = given.partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._token):
            return Problem(401, "expected the service's token as Authorization: Bearer …, got another or none")
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
