"""The paper's ablations of stage I that are trainings of their own, by the names of ``evaluation.paper_ablation``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SMGAAblation:
    """What a row of the paper's tables changes. face_weight: of the loss, beside 1 for the rest; None: as it is. lips:
    whether ``--lip-weight`` counts, ours and of the face, too."""

    two_branches: bool = True
    film: bool = True
    face_weight: float | None = None
    lips: bool = True


FACE_RATIOS = {f"face 1:{weight}": SMGAAblation(face_weight=float(weight)) for weight in (1, 2, 3, 4)}
SMGA_ABLATIONS = {
    "full": SMGAAblation(),
    "one branch": SMGAAblation(two_branches=False),
    "no FiLM": SMGAAblation(film=False),
    "no face loss": SMGAAblation(face_weight=0.0, lips=False),
    **FACE_RATIOS,
}
