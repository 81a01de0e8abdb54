"""What the checks say of a worker: skill for each specialty, from gold and exams only."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

POOL_EVIDENCE = 200  # gold answers of a specialty before its own mean replaces the default prior


@dataclass(frozen=True)
class GradeFact:
    """One answer that was checked against a known one: ``grade`` in [0, 1]."""

    worker_id: UUID
    specialty: str
    grade: float
    kind: str
    n_classes: int | None
