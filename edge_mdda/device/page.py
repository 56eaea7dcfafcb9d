"""A profile as a page and as lines for a terminal."""

from __future__ import annotations

from html import escape
from typing import Any

from edge_mdda import html
from edge_mdda.device import charts
from edge_mdda.html import Html

_SPREAD = ("min", "p5", "median", "p95", "p99", "max")
_SPLIT_NOTE = (
    "In a block pyramid or aggregation, noise and tv are one pass over memory: that pass is timed, and split by what "
    "running the same kernels without denoising, and without noise too, saves."
)
_OPERATORS_NOTE = (
    "Shares of multiply-adds and of bytes read and written, from the shapes: the runtimes have no profiler of "
    "operators in Python, so these are not shares of time."
)


def to_html(profile: dict[str, Any]) -> str:
    """The whole profile as one self-contained page."""
    model = profile["model"]
    parts = [
        html.paragraph(f"{model['name']} ({model['sha256'][:12]}), {model['runtime']}; measured {profile['created']}."),
        html.heading("Board"),
        html.table(("", ""), board_rows(profile["board"])),
        *_conditions(profile["conditions"]),
        html.heading("Where the time of an image goes"),
        charts.stages(profile["configurations"]),
        html.paragraph(_SPLIT_NOTE, "note"),
        html.heading("Steady state"),
        charts.histograms(profile["configurations"]),
    ]
    for of in profile["configurations"]:
        parts.append(html.paragraph(_configuration(of)))
        rows = [(stage, *(spread[name] for name in _SPREAD)) for stage, spread in of["stages"].items()]
        parts.append(html.table(("ms", *_SPREAD), rows))
    if profile["first_calls"]:
        parts += [html.heading("First call of a new process"), html.table(*_first_calls(profile["first_calls"]))]
    if profile["long_run"]:
        run = profile["long_run"]
        parts += [
            html.heading(f"Long run, {run['minutes']:.3g} minutes"),
            html.paragraph(run["statement"]),
            charts.long_run(run),
        ]
        spells = [
            (spell["start_s"], spell["end_s"], ", ".join(spell["reasons"]), spell["median_ms"], _percent(spell["cost"]))
            for spell in run["throttled"] or ()
        ]
        if spells:
            parts.append(html.table(("from, s", "to, s", "why", "median, ms", "cost"), spells))
    parts += _model(profile)
    return html.page(f"edge-mdda profile: {name(profile)}", *parts)


def to_lines(profile: dict[str, Any]) -> list[str]:
    """The profile for a person at a terminal: the board, what is amiss, medians, and what the long run says."""
    lines = [f"{label}: {'unknown' if value is None else value}" for label, value in board_rows(profile["board"])]
    lines += [f"warning: {of['found']} – {of['mend']}" for of in profile["conditions"]]
    for of in profile["first_calls"]:
        lines.append(f"first call, {of['cache']} cache: {of['wall_ms'] / 1000:.2f} s, peak {of['peak_mib']} MiB")
    for of in profile["configurations"]:
        lines.append(_configuration(of))
        stages = of["stages"]
        width = max(map(len, stages))
        lines.append(f"  {'ms'.ljust(width)}" + "".join(f"{kind:>10}" for kind in _SPREAD))
        for stage, spread in stages.items():
            lines.append(f"  {stage.ljust(width)}" + "".join(f"{spread[kind]:10.2f}" for kind in _SPREAD))
    if profile["litert_benchmark"]:
        lines.append(f"litert-benchmark: {profile['litert_benchmark']['explanation']}")
    if profile["long_run"]:
        lines.append(f"long run: {profile['long_run']['statement']}")
    return lines


def name(profile: dict[str, Any]) -> str:
    """What a board is called, as well as it can be told."""
    board = profile["board"]
    return str(board["model"] or board["processor"] or board["architecture"])


def board_rows(board: dict[str, Any]) -> list[tuple[str, str | None]]:
    """What a board is, label by label; None where unknown."""
    clock, memory = board["clock"], board["memory"]
    rows = [
        ("board", board["model"]),
        ("chip", board["soc"]),
        ("processor", board["processor"]),
        ("architecture", f"{board['architecture']}, {board['userland_bits']}-bit userland"),
        ("cores", None if board["cores"] is None else f"{board['cores']}, {board['cores_allowed']} allowed"),
        ("governor", clock["governor"]),
        ("clock, MHz", _clock(clock)),
        ("memory, MiB", _amounts(memory, ("total", "total_mib"), ("available", "available_mib"))),
        ("swap, MiB", _amounts(memory, ("total", "swap_total_mib"), ("used", "swap_used_mib"))),
        ("kernel", board["kernel"]),
        ("system", board["system"]),
    ]
    if board["jetson"]:
        jetson = board["jetson"]
        locked = {True: "locked", False: "not locked", None: None}[jetson["clocks_locked"]]
        rows += [("Jetson Linux", jetson["release"]), ("power mode", jetson["power_mode"]), ("jetson_clocks", locked)]
    return [*rows, ("versions", ", ".join(f"{library} {version}" for library, version in board["versions"].items()))]


def _clock(clock: dict[str, Any]) -> str | None:
    known = {end: clock[f"{end}_mhz"] for end in ("lowest", "highest", "now") if clock[f"{end}_mhz"] is not None}
    return ", ".join(f"{end} {value:.0f}" for end, value in known.items()) or None


def _amounts(of: dict[str, Any], *keys: tuple[str, str]) -> str | None:
    return ", ".join(f"{of[key]:.0f} {label}" for label, key in keys if of[key] is not None) or None


def _conditions(conditions: list[dict[str, Any]]) -> list[str]:
    if not conditions:
        return [html.paragraph("Nothing amiss was found: governor, power, temperature, swap and other load.")]
    rows = [
        (Html(f'<span class="{"grave" if of["grave"] else ""}">{escape(of["found"])}</span>'), of["mend"])
        for of in conditions
    ]
    return [html.table(("what makes it slower", "mend"), rows)]


def _configuration(of: dict[str, Any]) -> str:
    threads, energy, memory = of["threads"], of["energy"], of["memory"]
    told = f"{threads} thread{'s'[: threads > 1]}: {of['images_per_second']:.1f} images a second"
    if energy:
        told += f", {energy['watts']:.2f} W, {energy['joules_per_image']:.3f} J an image ({energy['scope']})"
    else:
        told += ", energy unknown"
    if memory["now_mib"] is not None:
        told += f", {memory['now_mib']:.0f} MiB resident, peak {memory['peak_mib']:.0f}"
    return told


def _first_calls(calls: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    steps = tuple(calls[0]["steps_ms"])
    header = ("kernel cache", "threads", "wall, ms", *(f"{step}, ms" for step in steps), "peak, MiB")
    return header, [
        (of["cache"], of["threads"], of["wall_ms"], *(of["steps_ms"][step] for step in steps), of["peak_mib"])
        for of in calls
    ]


def _model(profile: dict[str, Any]) -> list[str]:
    operators, benchmark = profile["model"]["operators"], profile["litert_benchmark"]
    parts = [html.heading("Model")]
    if operators is None:
        parts.append(html.paragraph("Operators unknown: the runtime does not tell."))
    else:
        rows = [
            (of["operator"], of["count"], of["multiply_adds"], _percent(of["share"]), _percent(of["bytes_share"]))
            for of in operators["kinds"]
        ]
        parts += [
            html.table(("operator", "count", "multiply-adds", "share", "share of bytes"), rows),
            html.paragraph(_OPERATORS_NOTE, "note"),
        ]
    if benchmark is None:
        parts.append(html.paragraph("Not compared with litert-benchmark, which is not installed or failed."))
    else:
        rounds = zip(benchmark["ours_median_ms"], benchmark["theirs_median_ms"], strict=True)
        medians = [(number, *pair) for number, pair in enumerate(rounds, 1)]
        parts += [
            html.table(("round", "inference here, median ms", "litert-benchmark, median ms"), medians),
            html.paragraph(f"litert-benchmark, {benchmark['threads']} thread(s): {benchmark['explanation']}."),
        ]
    return parts


def _percent(part: float | None) -> str | None:
    return None if part is None else f"{part:.1%}"
