"""Live results: every report, as server-sent events, to whoever listens (HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from edge_mdda.server.limits import MAX_LISTENERS
from edge_mdda.server.problems import Problem

#: Seconds of silence after which a comment is sent, so that neither end thinks the other gone.
HEARTBEAT = 15.0
# A listener that is this many events behind loses the oldest: it must never make the service keep them all.
_BEHIND = 32


class Events:
    """The listeners; a class because they come and go while events are published."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self._closed = False
        self._number = 0

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def publish(self, name: str, data: str) -> None:
        """Send an event of one line of data to all that listen."""
        self._number += 1
        event = f"event: {name}\nid: {self._number}\ndata: {data}\n\n".encode()
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(event)

    def listen(self) -> AsyncIterator[bytes]:
        """The events from now on, as the bytes of a stream; it ends when the service does.

        Raises:
            Problem: too many listen already.
        """
        if len(self._listeners) >= MAX_LISTENERS or self._closed:
            raise Problem(503, f"expected at most {MAX_LISTENERS} listeners, got one more", retry_after=10)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(_BEHIND)
        self._listeners.add(queue)
        return self._stream(queue)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(None)

    async def _stream(self, queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
        try:
            yield b": edge_mdda\n\n"  # so that the client knows that it is connected
            while not self._closed:
                try:
                    event = await asyncio.wait_for(queue.get(), HEARTBEAT)
                except (asyncio.TimeoutError, TimeoutError):
                    event = b": still here\n\n"
                if event is None:
                    return
                yield event
        finally:
            self._listeners.discard(queue)
