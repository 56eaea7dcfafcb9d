"""`edge-mdda serve` at saturation: latencies against the single image's time, refusals, and memory over time.

    python -m tools.load --seconds 60 --json deploy/load.json --figure deploy/load.png

A service is started here, with `--queue` places. One client says what a single image takes. Then ever more clients
(aiohttp) ask for one assessment after the other, as many as there are places, one that is served beside them, and twice
that; who is refused waits as long as Retry-After says. With n clients the last in the line waits for n images, so the
99th percentile must be below 2 × n × the single image's time, n being at most the places and the one; memory of all
processes at the end must be that after the first quarter, within 5 %; and nothing but 200 and 503 may be answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import aiohttp
import numpy as np
import typer

from tools import atomic
from tools.machine import machine
from tools.soak_house import memory_of, tree_of

SAMPLE = Path(__file__).resolve().parents[1] / "models" / "samples" / "lesion.png"
#: What the 99th percentile may be, in times of the clients in line times the single image's time.
BOUND = 2.0
FLAT = 0.05
START = 120.0


async def _ready(session: aiohttp.ClientSession, address: str) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end:
        async with session.get(f"{address}/v1/health") as answer:
            if (await answer.json())["ready"]:
                return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"expected a service within {START:g} s, got none")


async def _client(
    session: aiohttp.ClientSession, address: str, end: float, latencies: list[float], counts: Counter[int]
) -> None:
    """Ask for one assessment after the other until the time is over; latencies are those of answers, in seconds."""
    content = SAMPLE.read_bytes()
    while (start := time.perf_counter()) < end:
        async with session.post(f"{address}/v1/assess", data=content, headers={"Content-Type": "image/png"}) as answer:
            await answer.read()
            counts[answer.status] += 1
            if answer.status == 200:
                latencies.append(time.perf_counter() - start)
            else:
                await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))


async def _phase(session: aiohttp.ClientSession, address: str, clients: int, seconds: float) -> dict[str, Any]:
    latencies: list[float] = []
    counts: Counter[int] = Counter()
    end = time.perf_counter() + seconds
    await asyncio.gather(*(_client(session, address, end, latencies, counts) for _ in range(clients)))
    found = np.array(latencies) * 1000
    return {
        "clients": clients,
        "answers": dict(counts),
        "a_second": len(found) / seconds,
        "p50_ms": float(np.percentile(found, 50)),
        "p99_ms": float(np.percentile(found, 99)),
        "max_ms": float(found.max()),
    }


async def _watch(pid: int, samples: list[tuple[float, float]]) -> None:
    start = time.monotonic()
    while True:
        samples.append((time.monotonic() - start, await asyncio.to_thread(memory_of, tree_of(pid))))
        await asyncio.sleep(1)


async def load(address: str, pid: int, places: int, seconds: float) -> dict[str, Any]:
    """Drive a running service; returns the record.

    Args:
        address: of it.
        pid: of its main process.
        places: in its line.
        seconds: for each number of clients.
    """
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await _ready(session, address)
        await _phase(session, address, 1, min(seconds, 5))  # warm
        others = os.getloadavg()[0]
        memory: list[tuple[float, float]] = []
        watching = asyncio.create_task(_watch(pid, memory))
        steps = sorted({1, 2, max(1, (places + 1) // 2), places + 1, 2 * (places + 1)})
        phases = [await _phase(session, address, clients, seconds) for clients in steps]
        watching.cancel()
    quarter = max(1, len(memory) // 4)
    early, late = (
        float(np.median([mib for _, mib in part])) for part in (memory[quarter : 2 * quarter], memory[-quarter:])
    )
    return {
        "machine": machine(),
        "others": others,
        "places": places,
        "seconds": seconds,
        "single_ms": phases[0]["p50_ms"],
        "phases": phases,
        "memory": {
            "early": early,
            "late": late,
            "change": late / early - 1,
            "samples": [[round(at, 1), round(mib, 1)] for at, mib in memory],
        },
    }


def bound_ms(record: dict[str, Any], clients: int) -> float:
    """What the 99th percentile may be with so many clients."""
    return float(BOUND * min(clients, record["places"] + 1) * record["single_ms"])


def verdict(record: dict[str, Any]) -> list[str]:
    """What is wrong with a record; nothing if all is well."""
    wrong = []
    for phase in record["phases"]:
        clients, bound = phase["clients"], bound_ms(record, phase["clients"])
        if phase["p99_ms"] > bound:
            wrong.append(f"expected a p99 of at most {bound:.0f} ms with {clients} clients, got {phase['p99_ms']:.0f}")
        others = {int(status) for status in phase["answers"]} - {200, 503}
        if others:
            wrong.append(f"expected 200 and 503 alone with {clients} clients, got {sorted(others)}")
    if abs(record["memory"]["change"]) > FLAT:
        wrong.append(f"expected memory flat within {FLAT:.0%}, got {record['memory']['change']:+.1%}")
    return wrong


def markdown(record: dict[str, Any]) -> str:
    """A record as the section of the page."""
    memory = record["memory"]
    head = (
        f"{record['machine']}, load average {record['others']:.1f} at the start; {record['seconds']:g} s for each "
        f"number of clients, {record['places']} places in line. A single image takes {record['single_ms']:.0f} ms "
        f"(median). Memory of all processes: {memory['early']:.0f} MiB early, {memory['late']:.0f} MiB late "
        f"({memory['change']:+.1%})."
    )
    rows = []
    for phase in record["phases"]:
        answers = {int(status): count for status, count in phase["answers"].items()}
        numbers = (phase["p50_ms"], phase["p99_ms"], phase["max_ms"], bound_ms(record, phase["clients"]))
        cells = [f"{phase['a_second']:.1f}", *(f"{number:.0f}" for number in numbers)]
        rows.append(f"| {phase['clients']} | {answers.get(200, 0)} | {answers.get(503, 0)} | {' | '.join(cells)} |")
    return "\n".join(
        [
            head,
            "",
            "| clients | answered | 503 | answers a second | p50, ms | p99, ms | longest, ms | p99 may be, ms |",
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *rows,
            "",
            "![Latency against clients, and memory over time](load.png)",
        ]
    )


def draw(record: dict[str, Any], path: Path) -> None:
    """Draw latency against clients beside its bound, and memory over time."""
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    latency, memory = figure.subplots(1, 2)
    clients = [phase["clients"] for phase in record["phases"]]
    latency.plot(clients, [bound_ms(record, each) for each in clients], "--", color="grey", label="p99 may be")
    for name, colour in (("p99_ms", "tab:orange"), ("p50_ms", "tab:blue")):
        latency.plot(clients, [phase[name] for phase in record["phases"]], "o-", color=colour, label=name[:3])
    latency.axvline(record["places"] + 1, color="grey", linewidth=0.8)
    latency.set(xlabel="clients (line: the places and the one served)", ylabel="latency of answers, ms", ylim=(0, None))
    latency.legend()
    memory.plot(*zip(*record["memory"]["samples"], strict=True), color="tab:green")
    memory.set(xlabel="seconds", ylabel="memory of all processes, MiB", ylim=(0, None))
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    atomic.write(path, content.getvalue())


def main(
    seconds: Annotated[float, typer.Option(help="For each number of clients.")] = 60.0,
    queue: Annotated[int, typer.Option(help="Places in the line.")] = 8,
    out: Annotated[Path | None, typer.Option("--json", help="Where to write the record.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Where to draw it, .png.")] = None,
) -> None:
    """Start a service, load it, and end with 1 if it was late, failed or grew."""
    with TemporaryDirectory() as folder:
        ready, log = Path(folder) / "ready", Path(folder) / "log"
        command = [sys.executable, "-m", "edge_mdda", "serve", "--port", "0", "--queue", str(queue)]
        with log.open("wb") as writing:
            service = subprocess.Popen(
                [*command, "--ready-file", str(ready)], stdout=subprocess.DEVNULL, stderr=writing
            )
        try:
            end = time.monotonic() + START
            while not ready.exists():
                if service.poll() is not None or time.monotonic() > end:
                    raise typer.BadParameter(f"expected a service, got: {log.read_text()[-500:]}")
                time.sleep(0.05)
            record = asyncio.run(load(ready.read_text().strip(), service.pid, queue, seconds))
        finally:
            service.terminate()
            service.wait(60)
    if out is not None:
        atomic.write(out, json.dumps(record, indent=1) + "\n")
    if figure is not None:
        draw(record, figure)
    print(markdown(record))
    wrong = verdict(record)
    for line in wrong:
        print(line, file=sys.stderr)
    raise typer.Exit(bool(wrong))


if __name__ == "__main__":
    typer.run(main)
