"""The service under uvicorn: its socket, its start and its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge_mdda import output, terminal
from edge_mdda.assessor import Settings
from edge_mdda.errors import EdgeMddaError, ParameterError
from edge_mdda.server.archive import Archive
from edge_mdda.server.events import Events
from edge_mdda.server.gate import OPEN_FOLDER, Gate
from edge_mdda.server.limits import SIGN_OF_LIFE, Limits
from edge_mdda.server.line import Line
from edge_mdda.server.metrics import Metrics
from edge_mdda.server.routes import application
from edge_mdda.server.task import Serving
from edge_mdda.service import notify
from edge_mdda.service.supervisor import Supervisor

# Seconds that a connection may be idle between two requests.
_KEEP_ALIVE = 5
# Seconds beyond the time an image may take after which the end of the service waits for nobody.
_GRACE = 5


@dataclass(frozen=True)
class Plan:
    """How to serve; plain values, checked by the command.

    Attributes:
        settings: how images are assessed.
        limits: of what a client may ask for.
        host: address to listen at.
        port: of it, 0 for a free one.
        token: that clients must send, None for none.
        certificate: PEM file of a certificate and its chain, None for no TLS.
        key: PEM file of its key, None if it is in the same file.
        names: host names beside this machine's own.
        archive: folder where assessed images are kept, None for nowhere.
        ready_file: where the address is written once requests are taken.
    """

    settings: Settings
    limits: Limits
    host: str
    port: int
    token: bytes | None
    certificate: Path | None
    key: Path | None
    names: tuple[str, ...]
    archive: Path | None
    ready_file: Path | None


def run(plan: Plan) -> None:
    """Serve until SIGTERM or Ctrl-C, after which what is being worked on is finished.

    Raises:
        EdgeMddaError: the address cannot be used, or the model cannot be loaded.
    """
    archive = None if plan.archive is None else Archive(plan.archive)
    listening = _bind(plan.host, plan.port)
    prepare = Serving(plan.settings, plan.limits.pixels, plan.limits.purified_pixels)
    supervisor = Supervisor(prepare, deadline=plan.limits.timeout)
    line = Line(supervisor, plan.limits.queue)
    events = Events()
    metrics = Metrics(line, events)
    server: _Server

    async def live() -> None:
        try:
            await line.start()
        except EdgeMddaError as error:
            server.fault = error
            server.should_exit = True
            return
        notify.ready()
        while True:
            notify.alive(f"{metrics.answered} answered, {line.waiting} waiting")
            await asyncio.sleep(SIGN_OF_LIFE)

    inner = application(line, plan.limits, events, metrics, archive, live)
    paths = {getattr(route, "path", "") for route in inner.routes}

    def note(method: str, path: str, status: int, seconds: float) -> None:
        """Count a request and say a line about it: never its query, its body or who sent it."""
        known = "/page" if path.startswith(OPEN_FOLDER) else path if path in paths else "other"
        metrics.request(known, status, seconds)
        terminal.complain(f"{method} {known} {status or 'gone'}, {seconds * 1000:.0f} ms")

    app = Gate(
        inner,
        token=plan.token,
        names=plan.names,
        connections=lambda: len(server.server_state.connections),
        limits=plan.limits,
        note=note,
    )
    _log_plainly()
    config = uvicorn.Config(
        app,
        http=_protocol(plan.limits),
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(plan.limits.timeout) + _GRACE,
        ssl_certfile=plan.certificate,
        ssl_keyfile=plan.key,
    )
    try:
        config.load()
    except OSError as error:  # ssl's errors are of this class too
        raise ParameterError(f"expected a certificate and its key in PEM, got: {error}") from None
    server = _Server(config, line, events, lambda: _announce(plan, listening))
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it once more when it has ended
    try:
        server.run([listening])
    finally:
        listening.close()
        if archive is not None:
            archive.close()
    if server.fault is not None:
        raise server.fault


class _Server(uvicorn.Server):
    """uvicorn's, which says when it takes requests, and sends those away that wait before it ends."""

    def __init__(self, config: uvicorn.Config, line: Line, events: Events, announce: Any) -> None:
        super().__init__(config)
        self.fault: EdgeMddaError | None = None
        self._line = line
        self._events = events
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        try:
            self._announce()
        except EdgeMddaError as error:
            self.fault = error
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        notify.stopping()
        self._events.close()
        self._line.stop()
        await super().shutdown(sockets)


def _protocol(limits: Limits) -> type[H11Protocol]:
    """uvicorn's protocol, with a limit to the time in which the head of a request must be there.

    uvicorn has none: whoever connects and says nothing, or a letter a minute, would keep the connection for ever. And
    what is no HTTP is answered with JSON, as everything else.
    """

    class Protocol(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._arm()
            if len(self.connections) > 2 * limits.connections:  # beyond the limit they are told so, if they ask
                transport.abort()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._arm()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._arm()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._disarm()

        def _arm(self) -> None:
            """Start the clock where no request is being answered, unless it runs; stop it where one is."""
            if self.cycle is not None and not self.cycle.response_complete:
                self._disarm()
            elif self._timer is None:
                self._timer = self.loop.call_later(limits.upload, self._give_up)

        def _disarm(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None

        def _give_up(self) -> None:
            self.transport.abort()

        def send_400_response(self, msg: str) -> None:
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                content = b'{"error":"bad request","detail":"expected HTTP/1.1, got something else"}'
                headers = [("content-type", "application/json"), ("content-length", str(len(content)))]
                answer = h11.Response(status_code=400, headers=[*headers, ("connection", "close")])
                for event in (answer, h11.Data(data=content), h11.EndOfMessage()):
                    self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

    return Protocol


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise ParameterError(f"expected an address to listen at, got {host} port {port}: {error}") from None


def _announce(plan: Plan, listening: socket.socket) -> None:
    """Say where the service is.

    Raises:
        OutputError: the file cannot be written, or standard output is closed.
    """
    host, port = listening.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    address = f"{'http' if plan.certificate is None else 'https'}://{name}:{port}"
    if plan.ready_file is not None:
        output.write(plan.ready_file, f"{address}\n".encode())
    terminal.say(address)


class _Plain(logging.Handler):
    """uvicorn's warnings as lines like all others, and of an exception its kind and place: its text may hold data."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            place = "" if trace is None else f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
            text = f"{text.strip()}: {type(error).__name__}{place}"
        terminal.complain(text)


def _log_plainly() -> None:
    logging.root.handlers = [_Plain(logging.WARNING)]
    # It says at which byte a form is wrong, which the answer does too.
    logging.getLogger("python_multipart").disabled = True
    logging.getLogger("python_multipart.multipart").disabled = True
