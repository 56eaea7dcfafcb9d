"""Fill a store as a run of the robustness laboratory does, without its command; and what a store then holds."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mdda.batch import cluster
from tools.robustness import plan, work
from tools.robustness.plan import Craft, Picture
from tools.robustness.store import Store
from tools.robustness.victims import Victim

DEFENCES = ("none", "edge:blocks=1")
ATTACKS = ("clean", "fgsm", "bpda-pgd:steps=2:looks=2", "square:steps=20")


def crafts(
    victims: Sequence[Victim], names: Sequence[str] = ATTACKS, defences: Sequence[str] = DEFENCES
) -> list[Craft]:
    """Attacks on the first of some victims, at 8/255."""
    return plan.crafts(names, victims, victims[:1], defences, [8])


def fill(
    store: Store,
    pictures: Sequence[Picture],
    victims: Sequence[Victim],
    names: Sequence[str] = ATTACKS,
    defences: Sequence[str] = DEFENCES,
    *,
    repetitions: int = 2,
    stop: int | None = None,
) -> int:
    """Do what is missing, or only so many jobs of it; how many were done."""
    chosen = crafts(victims, names, defences)
    store.add_images((each.digest, "test", each.label) for each in pictures)
    store.describe(plan.meanings(chosen, victims, defences, repetitions))
    lacking = list(plan.missing(store, pictures, chosen, victims, defences, repetitions))[:stop]
    for outcome in cluster.spread(work.do, plan.jobs(store, lacking), None):
        store.add(outcome.example, outcome.image, outcome.facts, outcome.encoded, outcome.answers)
    return len(lacking)


def content(store: Store) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], dict[str, bytes]]:
    """Everything in a store but the times: answers, examples and pictures."""
    answers = store.database.execute("select example, key, image, logits from answers order by 1, 2, 3").fetchall()
    examples = store.database.execute("select key, image from examples order by 1, 2").fetchall()
    files = sorted(store.folder.glob("examples/*/*.png"))
    return answers, examples, {str(each.relative_to(store.folder)): each.read_bytes() for each in files}
