"""The paper's ablation table, and whether a run of ours orders the variants alike.

arXiv 2505.23120v2; its column "Syn-C" is SyncNet's distance (lower is better) and "Syn-D" its confidence: the arrows
and ranges say so. For "no face loss" the text says 11.11 / 4.65 where the table says 11.16 / 3.18; the table's stand
here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, product

from .measured import Better, Measured

PAPER: dict[str, dict[str, float]] = {  # variant -> number; by names of ``standalone.ablate``
    "full": {"FGD": 6.02, "face FVD": 99.38, "LSE-D": 10.16, "LSE-C": 4.51, "FVD": 230.89},
    "no motion mask": {"FGD": 6.51, "face FVD": 205.08, "LSE-D": 10.18, "LSE-C": 4.65, "FVD": 378.32},
    "still mask": {"FGD": 7.09, "face FVD": 267.10, "LSE-D": 10.84, "LSE-C": 4.01, "FVD": 286.39},
    "no audio": {"FGD": 6.72, "face FVD": 609.44, "LSE-D": 11.03, "LSE-C": 3.58, "FVD": 1250.71},
    "one branch": {"FGD": 6.78, "face FVD": 262.20, "LSE-D": 11.83, "LSE-C": 2.25, "FVD": 409.53},
    "no FiLM": {"FGD": 6.38, "face FVD": 132.56, "LSE-D": 10.78, "LSE-C": 3.85, "FVD": 238.26},
    "no face loss": {"FGD": 7.09, "face FVD": 167.58, "LSE-D": 11.16, "LSE-C": 3.18, "FVD": 411.42},
}
# Of another table, as far as it is known here; its 1:3 is not the "full" of the one above (FGD 7.268 there, 6.02 here).
PAPER_RATIOS: dict[str, dict[str, float]] = {"face 1:1": {"FGD": 6.705}, "face 1:3": {"FGD": 7.268}}
# The paper's number, and ours: the same through a network where its file is there, else what measures the same side of
# a video, as far as anything does.
COMPARED: dict[str, tuple[str, ...]] = {
    "FGD": ("FGD", "pose Frechet distance"),
    "LSE-D": ("LSE-D",),
    "LSE-C": ("LSE-C", "lip correlation"),
    "face FVD": ("FVD face", "SSIM face"),
    "FVD": ("FVD whole", "SSIM whole"),
}
PAPER_BETTER: dict[str, Better] = {
    "FGD": "lower",
    "LSE-D": "lower",
    "LSE-C": "higher",
    "face FVD": "lower",
    "FVD": "lower",
}


@dataclass(frozen=True)
class Ordering:
    """Variants by a number of the paper's and by one of ours, the best first. agreeing: pairs in the same order in
    both, of num_pairs."""

    paper_number: str
    our_number: str
    paper: tuple[str, ...]
    ours: tuple[str, ...]
    agreeing: int
    num_pairs: int


def orderings(rows: Mapping[str, tuple[Measured, ...]]) -> list[Ordering]:
    """rows: variant -> its numbers. Only variants of the paper's that have both numbers; two of them at least,
    that differ."""
    found = []
    for paper, (paper_number, names) in product((PAPER, PAPER_RATIOS), COMPARED.items()):
        known = {variant: row[paper_number] for variant, row in paper.items() if paper_number in row}
        ours = next(filter(_is_order, (_numbers(rows, known, name) for name in names)), {})
        if not ours:
            continue
        sign = -1 if PAPER_BETTER[paper_number] == "higher" else 1
        paper_cost = {variant: sign * known[variant] for variant in ours}
        our_cost = {variant: -row.value if row.better == "higher" else row.value for variant, row in ours.items()}
        pairs = [*combinations(ours, 2)]
        agreeing = sum((paper_cost[a] - paper_cost[b]) * (our_cost[a] - our_cost[b]) > 0 for a, b in pairs)
        best, own = (tuple(sorted(ours, key=cost.__getitem__)) for cost in (paper_cost, our_cost))
        name = next(iter(ours.values())).name
        found.append(Ordering(paper_number, name, best, own, agreeing, len(pairs)))
    return found


def _is_order(ours: Mapping[str, Measured]) -> bool:
    """Whether the number tells variants apart; one of poses does not where all have the same poses."""
    return len({row.value for row in ours.values()}) > 1


def _numbers(rows: Mapping[str, tuple[Measured, ...]], variants: Iterable[str], start: str) -> dict[str, Measured]:
    """Variant -> its number whose name begins so."""
    return {
        variant: row
        for variant in variants
        for row in rows.get(variant, ())[::-1]  # the last that fits is the first of a report: the native size
        if row.name.startswith(start) and "halves" not in row.name
    }
