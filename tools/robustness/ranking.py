"""Whether MDDA is ahead of the other defences under the paper's attacks, in accuracy and for its time, in words."""

from __future__ import annotations

from collections.abc import Sequence

from tools.robustness import attacks, defences, results, wording
from tools.robustness.results import Cell

#: What to know before MDDA is said to be ahead of another defence.
FAIRNESS = (
    "The models float and int8 were trained on images that MDDA had purified, too, on none of the other defences'; the "
    "model plain on neither. The other defences have the settings of their papers or libraries and were not tuned "
    "here, MDDA's presets were chosen on `val`."
)


def write(cells: Sequence[Cell], split: str) -> list[str]:
    """Whether MDDA is ahead of every other defence under the paper's attacks, in accuracy and for its time.

    Nothing is said of a radius before all of the paper's attacks in L∞ were run there.
    """
    found = []
    own = [c for c in results.pick(cells, split=split) if results.of_paper(c) and c.attack in attacks.PAPER_LINF]
    for source, victim, radius in dict.fromkeys((cell.source, cell.victim, cell.strength) for cell in own):
        group = results.pick(own, source=source, victim=victim, strength=radius)
        if not {*attacks.PAPER_LINF} <= {cell.attack for cell in group}:
            continue
        scores: dict[str, tuple[float, float]] = {}
        for defence in dict.fromkeys(cell.defence for cell in group):
            behind = results.pick(group, defence=defence)
            mean = results.mean_accuracy(behind)
            if mean is not None and ":" not in defence:
                scores[defence] = mean["accuracy"], wording.milliseconds(behind)
        ours = {name: score for name, score in scores.items() if defences.is_mdda(name)}
        others = {name: score for name, score in scores.items() if name not in ours and name != "none"}
        if not ours or not others:
            continue
        # Chosen beforehand: the best of several would be compared on the images that made it the best.
        best = defences.DEFAULT if defences.DEFAULT in ours else min(ours)
        own_best = results.pick(group, defence=best)
        title = f"{victim}, attacked through {source}, {radius}/255, mean of the {len(attacks.PAPER_LINF)} attacks in "
        title += f"L∞ on {len(results.common(own_best))} images: "
        bare = f"{100 * scores['none'][0]:.1f} % without defence, " if "none" in scores else ""
        text = title + f"{bare}MDDA's {best} has {100 * ours[best][0]:.1f} % in {ours[best][1]:.1f} ms. "
        rivals = {name: score for name, score in ours.items() if score[0] > ours[best][0]}
        text += _compared("more accurate are other settings of MDDA", rivals)
        leads = {name: results.lead(own_best, results.pick(group, defence=name)) for name in others}
        ahead = {name for name, lead in leads.items() if lead and lead[1][1] < 0}
        level = {name: lead for name, lead in leads.items() if lead and lead[1][0] <= 0 <= lead[1][1]}
        text += _compared("more accurate", {name: score for name, score in others.items() if name in ahead}) or (
            "No other defence is shown to be more accurate. "
        )
        for name, (points, interval) in level.items():
            low, high = (100 * each for each in interval)
            time = f"{others[name][0] * 100:.1f} % in {others[name][1]:.1f} ms"
            text += f"Not told apart from {name} ({time}): {100 * points:+.1f} points ({low:+.0f} to {high:+.0f}). "
        # Of two defences one is ahead for its time when it is at least as accurate and not slower.
        beaten = {
            name: score
            for name, score in others.items()
            if not any(mine[0] >= score[0] and mine[1] <= score[1] for mine in ours.values())
        }
        rest = {name: score for name, score in beaten.items() if name not in ahead | level.keys()}
        text += _compared("less accurate and quicker", rest) or (
            "Each of the others is slower than an MDDA that is at least as accurate. " if not beaten else ""
        )
        most = max(part / time for part, time in ours.values())
        denser = [name for name, (part, time) in others.items() if part / time > most]
        if denser:
            text += f"Ahead of MDDA in accuracy per millisecond: {', '.join(denser)}, by taking less time; by that "
            text += "measure doing nothing is ahead of all."
        found.append(text.strip())
    return found


def _compared(how: str, scores: dict[str, tuple[float, float]]) -> str:
    if not scores:
        return ""
    listed = ", ".join(f"{name} ({100 * part:.1f} % in {time:.1f} ms)" for name, (part, time) in scores.items())
    return f"{how[0].upper()}{how[1:]}: {listed}. "
