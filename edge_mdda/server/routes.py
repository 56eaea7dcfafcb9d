"""The API: what each path takes and answers, as a FastAPI application without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

import edge_mdda
from edge_mdda.errors import EdgeMddaError, InferenceError
from edge_mdda.server import problems, schemas
from edge_mdda.server.archive import Archive
from edge_mdda.server.body import Bodies
from edge_mdda.server.events import Events
from edge_mdda.server.limits import Limits
from edge_mdda.server.line import Line, Served
from edge_mdda.server.metrics import CONTENT_TYPE, Metrics
from edge_mdda.server.problems import Problem
from edge_mdda.server.task import Task

PAGE = Path(str(resources.files("edge_mdda.server") / "page"))
# The page's scripts, styles and images are its own; a camera's picture is a blob.
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'"
)
_PAGE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
# What comes of reading something else than was expected.
_NONSENSE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def application(
    line: Line,
    limits: Limits,
    events: Events,
    metrics: Metrics,
    archive: Archive | None,
    lives: Callable[[], Coroutine[Any, Any, None]],
) -> FastAPI:
    """The API.

    Args:
        line: to the worker; it is closed when the application ends.
        limits: of what a client may ask for.
        events: where reports are published.
        metrics: where things are counted.
        archive: where assessed images are kept, None for nowhere.
        lives: runs beside the application for as long as it lives.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        beside = asyncio.create_task(lives())
        yield
        beside.cancel()
        await line.close()

    app = FastAPI(
        title="edge_mdda",
        version=edge_mdda.__version__,
        summary="Purify and classify dermoscopic images on the device.",
        description=schemas.DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,  # both fetch their scripts from the network
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    bodies = Bodies(limits)
    archiving = asyncio.Lock()
    _answer_problems(app)

    async def keep(served: Served, image: bytes, report: dict[str, Any]) -> dict[str, str]:
        """Archive an image if that was asked for; returns the header that says so."""
        if archive is None:
            return {}
        async with archiving:
            name = await asyncio.to_thread(archive.keep, served.answer.parts[1], image, report)
        metrics.archived()
        return {"X-Archived": name}

    @app.post("/v1/assess", **schemas.ASSESS)
    async def assess(request: Request, query: Annotated[schemas.AssessQuery, Query()]) -> Response:
        """Classify an image as it came and purified, and say which answer to take, if any."""
        async with bodies.image(request) as image:
            task = Task("assess", **query.model_dump(), keep=archive is not None, image=image)
            served = await _ask(line, request, task)
            metrics.waited(served.waited)
            try:
                report = dict(json.loads(served.answer.parts[0]))
                metrics.report(report)
                kept = await keep(served, image, report)
            except _NONSENSE:
                raise _nonsense("a report") from None
        events.publish("report", json.dumps(report))
        return JSONResponse(report, headers={**_PRIVATE, **kept})

    @app.post("/v1/purify", **schemas.PURIFY)
    async def purify(request: Request, query: Annotated[schemas.PurifyQuery, Query()]) -> Response:
        """Purify an image."""
        async with bodies.image(request) as image:
            served = await _ask(line, request, Task("purify", **query.model_dump(), image=image))
        metrics.waited(served.waited)
        try:
            picture, said = served.answer.parts
            known = json.loads(said)
            seed = int(known["seed"])
            metrics.stages(known["milliseconds"])
        except _NONSENSE:
            raise _nonsense("a picture and what it was made with") from None
        return Response(picture, media_type="image/png", headers={**_PRIVATE, "X-Seed": str(seed)})

    @app.get("/v1/health", **schemas.HEALTH)
    async def health() -> JSONResponse:
        """Say whether the service lives, and whether an image would be assessed now."""
        return JSONResponse({"live": True, "ready": line.ready}, headers=_PRIVATE)

    @app.get("/v1/model", **schemas.MODEL)
    async def model(request: Request) -> JSONResponse:
        """Say which model answers, and how."""
        served = await _ask(line, request, Task("describe"))
        try:
            return JSONResponse(dict(json.loads(served.answer.parts[0])), headers=_PRIVATE)
        except _NONSENSE:
            raise _nonsense("a description of the model") from None

    @app.get("/v1/events", **schemas.EVENTS)
    async def listen() -> StreamingResponse:
        """Send each report as it is made, as server-sent events."""
        return StreamingResponse(events.listen(), media_type="text/event-stream", headers=_PRIVATE)

    @app.get("/metrics", **schemas.METRICS)
    def metrics_page() -> Response:
        """Say how the service does, in Prometheus' text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE, headers=_PRIVATE)

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers=_PAGE_HEADERS)

    app.mount("/page", _Page(directory=PAGE))
    return app


class _Page(StaticFiles):
    """The page's files, with headers that let it use nothing but what is served here."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers.update(_PAGE_HEADERS)
        return response


async def _ask(line: Line, request: Request, task: Task) -> Served:
    """Wait in the line; whoever goes away meanwhile makes room.

    Raises:
        ClientDisconnect: the client is gone.
        Problem, EdgeMddaError: there is no answer.
    """
    leaving = asyncio.ensure_future(_gone(request))
    try:
        served = await line.ask(task.to_bytes(), leaving)
    finally:
        leaving.cancel()
    if served is None:
        raise ClientDisconnect
    return served


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _nonsense(expected: str) -> InferenceError:
    """The process that runs the model, which may be anybody's by now, said something else."""
    return InferenceError(f"expected {expected}, got something else")


def _answer_problems(app: FastAPI) -> None:
    """Answer every error with JSON of one form."""

    def answer(problem: Problem) -> JSONResponse:
        return JSONResponse(problem.content, problem.status, headers=problem.headers)

    @app.exception_handler(Problem)
    async def _(request: Request, problem: Problem) -> JSONResponse:
        return answer(problem)

    @app.exception_handler(EdgeMddaError)
    async def _(request: Request, error: EdgeMddaError) -> JSONResponse:
        return answer(problems.of(error))

    @app.exception_handler(ClientDisconnect)
    async def _(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=499)  # nobody is there to read it

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> JSONResponse:
        found = [f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}" for one in error.errors()]
        return answer(Problem(422, "; ".join(found)))

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> JSONResponse:
        status = error.status_code if error.status_code in problems.CODES else 400
        response = answer(Problem(status, f"{request.method} {request.url.path}: {problems.CODES[status][1]}"))
        response.headers.update(error.headers or {})
        return response
