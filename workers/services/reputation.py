"""What the checks say of a worker: skill for each specialty, from gold and exams only.

Agreement with other workers never enters. A few statements do any number of grades; rows are
locked in order of worker and specialty, then places in order of their id.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from marketplace.labeling import registry
from marketplace.models import Interface, Job
from marketplace.quality import skill as skills
from marketplace.quality.consensus import AuthorFacts
from marketplace.quality.skill import Evidence, Skill
from workers import scoring
from workers.models import SkillRecord

#: Checks of a specialty from which on its mean moves so slowly that it is read now and then.
SETTLED = 5_000
SETTLED_SECONDS = 30.0

_SHARE_STEP = Decimal("0.001")


@dataclass(frozen=True)
class GradeFact:
    """One answer that was checked against a known one: ``grade`` in [0, 1].

    ``floor`` is the mean grade below which the job wants nobody; None is that of the kind.
    """

    worker_id: UUID
    specialty: str
    grade: float
    kind: str
    n_classes: int | None
    floor: float | None = None


_BEGIN = """
INSERT INTO workers_skillrecord (
    worker_id, specialty, hits, n, squares, gold_answers, q_low, is_suspended, suspended_reason,
    updated_at)
SELECT g.worker_id, g.specialty, 0, 0, 0, 0, 0, false, '', %(now)s
FROM unnest(%(workers)s::uuid[], %(specialties)s::text[]) AS g(worker_id, specialty)
WHERE NOT EXISTS (
    SELECT 1 FROM workers_skillrecord r
    WHERE r.worker_id = g.worker_id AND r.specialty = g.specialty
)
ORDER BY g.worker_id, g.specialty
ON CONFLICT DO NOTHING
"""

_LOCK = """
SELECT r.id, r.worker_id, r.specialty, r.hits, r.n, r.squares, r.gold_answers, r.is_suspended
FROM workers_skillrecord r
JOIN unnest(%(workers)s::uuid[], %(specialties)s::text[]) AS g(worker_id, specialty)
    ON r.worker_id = g.worker_id AND r.specialty = g.specialty
ORDER BY r.worker_id, r.specialty
FOR NO KEY UPDATE OF r
"""

_STORE = """
UPDATE workers_skillrecord r SET
    hits = g.hits, n = g.n, squares = g.squares, gold_answers = g.checks, q_low = g.q_low,
    is_suspended = r.is_suspended OR g.reason IS NOT NULL,
    suspended_at = CASE WHEN g.reason IS NULL THEN r.suspended_at ELSE %(now)s END,
    suspended_reason = coalesce(g.reason, r.suspended_reason),
    updated_at = %(now)s
FROM unnest(
    %(ids)s::bigint[], %(hits)s::float8[], %(n)s::float8[], %(squares)s::float8[],
    %(checks)s::bigint[], %(q_low)s::float8[], %(reasons)s::text[]
) AS g(id, hits, n, squares, checks, q_low, reason)
WHERE r.id = g.id
"""

# Places whose frozen rate or share of checks is not what the worker has earned now: the next claim
# prices them again.
_STALE = """
WITH due AS MATERIALIZED (
    SELECT wj.id
    FROM unnest(%(workers)s::uuid[], %(specialties)s::text[], %(low)s::numeric[],
        %(high)s::numeric[], %(changed)s::boolean[]) AS g(worker_id, specialty, low, high, changed)
    JOIN workers_workerjob wj ON wj.worker_id = g.worker_id
    JOIN marketplace_job j ON j.id = wj.job_id AND j.specialty = g.specialty
    WHERE NOT wj.is_stale AND j.state IN ('live', 'paused', 'suspended')
      AND (g.changed OR coalesce(wj.tier_lower_bound, -1) < g.low
        OR coalesce(wj.tier_lower_bound, -1) >= g.high)
    ORDER BY wj.id FOR NO KEY UPDATE OF wj
)
UPDATE workers_workerjob wj SET is_stale = true FROM due WHERE wj.id = due.id
"""

_POOLS = """
SELECT specialty, sum(hits), sum(n), sum(gold_answers)::bigint
FROM workers_skillrecord WHERE specialty = ANY(%s) GROUP BY specialty
"""

_FACTS = """
SELECT g.specialty, w.user_id, w.is_suspended OR coalesce(r.is_suspended, false),
    r.hits, r.n, r.squares, r.gold_answers
FROM unnest(%(workers)s::uuid[], %(specialties)s::text[]) AS g(worker_id, specialty)
JOIN workers_worker w ON w.user_id = g.worker_id
LEFT JOIN workers_skillrecord r ON r.worker_id = g.worker_id AND r.specialty = g.specialty
"""


@dataclass(frozen=True)
class _Change:
    """One worker's record in a specialty, before and after the checks of a batch."""

    id: int
    worker_id: UUID
    specialty: str
    before: Evidence
    after: Evidence
    is_suspended: bool
    floor: float  # below it the worker is suspended in the whole specialty
    own_floor: float  # that of the jobs themselves, which their shares of checks go by


def record_grades(facts: Sequence[GradeFact], *, now: datetime) -> None:
    """Enter checks in the workers' records, and what follows from them. The caller owns the
    transaction.

    A worker whose checks leave no doubt is suspended in the specialty, with the reason; it takes an
    appeal to lift that. Where the tier or the share of checks has changed, the worker's places are
    priced again at the next claim. Five statements for any number of facts.
    """
    if not facts:
        return
    grades: dict[tuple[UUID, str], list[GradeFact]] = {}
    for fact in facts:
        grades.setdefault((fact.worker_id, fact.specialty), []).append(fact)
    keys: dict[str, Any] = {
        "workers": [key[0] for key in grades],
        "specialties": [key[1] for key in grades],
    }
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, {**keys, "now": now})
        cursor.execute(_LOCK, keys)
        changes = [_change(row, grades[row[1], row[2]]) for row in cursor.fetchall()]
    pools = _pools({change.specialty for change in changes}, changes)
    _store(changes, pools, now)


def _change(
    row: tuple[int, UUID, str, float, float, float, int, bool], facts: Sequence[GradeFact]
) -> _Change:
    pk, worker_id, specialty, hits, n, squares, checks, is_suspended = row
    before = Evidence(hits, n, squares, checks)
    return _Change(
        id=pk,
        worker_id=worker_id,
        specialty=specialty,
        before=before,
        after=before.after(fact.grade for fact in facts),
        is_suspended=is_suspended,
        floor=min(_floor(fact) for fact in facts),
        own_floor=min(_own_floor(fact) for fact in facts),
    )


def _own_floor(fact: GradeFact) -> float:
    return skills.ban_floor(fact.n_classes) if fact.floor is None else fact.floor


def _floor(fact: GradeFact) -> float:
    """A job may be easier on people than is usual, never close a whole specialty to them sooner."""
    return min(_own_floor(fact), skills.ban_floor(fact.n_classes))


def _store(changes: Sequence[_Change], pools: Mapping[str, float], now: datetime) -> None:
    skills_now = [skills.estimate(one.after, pools[one.specialty]) for one in changes]
    reasons = [_reason(one, found) for one, found in zip(changes, skills_now, strict=True)]
    levels = [
        scoring.range_of(scoring.tier_of(found, one.specialty).level, one.specialty)
        for one, found in zip(changes, skills_now, strict=True)
    ]
    records: dict[str, Any] = {
        "now": now,
        "ids": [one.id for one in changes],
        "hits": [one.after.hits for one in changes],
        "n": [one.after.n for one in changes],
        "squares": [one.after.squares for one in changes],
        "checks": [one.after.checks for one in changes],
        "q_low": [found.low for found in skills_now],
        "reasons": reasons,
    }
    places: dict[str, Any] = {
        "workers": [one.worker_id for one in changes],
        "specialties": [one.specialty for one in changes],
        "low": [low for low, _ in levels],
        "high": [high for _, high in levels],
        "changed": [
            reason is not None or _is_checked_otherwise(one, pools[one.specialty])
            for one, reason in zip(changes, reasons, strict=True)
        ],
    }
    with connection.cursor() as cursor:
        cursor.execute(_STORE, records)
        cursor.execute(_STALE, places)


def _reason(change: _Change, found: Skill) -> str | None:
    """Why a worker is suspended now; None for one who is not, or was already."""
    if change.is_suspended or not skills.is_banned(found, change.floor):
        return None
    mean = change.after.hits / change.after.n
    return (
        f"{change.after.checks} of your answers were checked against known ones and came to "
        f"{mean:.0%} right; at least {change.floor:.0%} is needed. To appeal, answer "
        f"to {settings.DEFAULT_FROM_EMAIL}: a person looks at it."
    )


def _is_checked_otherwise(change: _Change, pool: float) -> bool:
    """Whether the share of checks may be another one now, whatever the floor of the job."""
    floors = (skills.FLOOR_BINARY, skills.FLOOR, change.own_floor)

    def measure(evidence: Evidence) -> tuple[bool, ...]:
        found = skills.estimate(evidence, pool)
        return found.checks < skills.NEW_CHECKS, *(skills.is_weak(found, one) for one in floors)

    return measure(change.before) != measure(change.after)


# The mean of a specialty with very many checks, and until when it is good enough.
_settled: dict[str, tuple[float, float]] = {}


def _pools(specialties: Collection[str], changes: Iterable[_Change] = ()) -> dict[str, float]:
    """The mean grade of each specialty, with changes that are not stored yet. One statement."""
    now = time.monotonic()
    found = {
        name: mean
        for name, (mean, until) in _settled.items()
        if name in specialties and until > now
    }
    missing = set(specialties) - set(found)
    if not missing:
        return found
    sums = dict.fromkeys(missing, (0.0, 0.0, 0))
    with connection.cursor() as cursor:
        cursor.execute(_POOLS, [sorted(missing)])
        for name, hits, n, checks in cursor.fetchall():
            sums[name] = (hits, n, checks)
    for one in changes:
        if one.specialty in missing:
            hits, n, checks = sums[one.specialty]
            sums[one.specialty] = (
                hits + one.after.hits - one.before.hits,
                n + one.after.n - one.before.n,
                checks + one.after.checks - one.before.checks,
            )
    for name, (hits, n, checks) in sums.items():
        found[name] = skills.pool_mean(hits, n, checks)
        if checks >= SETTLED:
            _settled[name] = (found[name], now + SETTLED_SECONDS)
    return found


def facts(authors: Mapping[str, Collection[UUID]]) -> dict[tuple[str, UUID], AuthorFacts]:
    """What is known of authors, by specialty and author, for the judging of their answers.

    An author without checks has the mean of the specialty; one who is suspended, in the specialty
    or altogether, has no say. Two statements.
    """
    pairs = [(worker, specialty) for specialty, those in authors.items() for worker in those]
    if not pairs:
        return {}
    pools = _pools(set(authors))
    with connection.cursor() as cursor:
        cursor.execute(
            _FACTS,
            {"workers": [pair[0] for pair in pairs], "specialties": [pair[1] for pair in pairs]},
        )
        rows = cursor.fetchall()
    found: dict[tuple[str, UUID], AuthorFacts] = {}
    for specialty, worker, is_suspended, hits, n, squares, checks in rows:
        evidence = Evidence() if hits is None else Evidence(hits, n, squares, checks)
        known = skills.estimate(evidence, pools[specialty])
        found[specialty, worker] = AuthorFacts(known.q, known.checks, is_suspended)
    return found


def skill(worker_id: UUID, specialty: str) -> Skill:
    """A worker's skill in a specialty; the mean of all while there are no checks. Two statements."""
    record = SkillRecord.objects.filter(worker_id=worker_id, specialty=specialty).first()
    return skill_of(record, specialty)


def skill_of(record: SkillRecord | None, specialty: str) -> Skill:
    """The skill that a record comes to. One statement, or none."""
    evidence = (
        Evidence()
        if record is None
        else Evidence(record.hits, record.n, record.squares, record.gold_answers)
    )
    return skills.estimate(evidence, _pools({specialty})[specialty])


def gold_share(worker_id: UUID, job: Job) -> Decimal:
    """The share of checks in what a worker gets in a job: more for the new and the doubtful."""
    usual = Decimal(job.gold_share)
    if not usual:
        return usual
    share = skills.gold_share(
        skill(worker_id, job.specialty), usual=float(usual), floor=_floor_of(job)
    )
    return max(usual, Decimal(str(share)).quantize(_SHARE_STEP))


def _floor_of(job: Job) -> float:
    floor = job.quality.get("ban_floor")
    if floor is not None:
        return float(floor)
    interface = Interface.objects.only("kind", "spec").get(pk=job.interface_id)
    return skills.ban_floor(registry.get(interface.kind).n_classes(interface.spec))
