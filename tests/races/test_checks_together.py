"""Checks and judgements side by side: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import random

import pytest
from django.db import transaction

from core import clock
from marketplace.models import Resolution, Task
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import Assignment, SkillRecord
from workers.services import judging, reputation
from workers.services.reputation import GradeFact

from .test_opening import broken, drained, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_checks_of_the_same_people_from_all_sides_add_up() -> None:
    those = [people.person().id for _ in range(6)]

    def record(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(15):
            batch = [
                GradeFact(who, specialty, 1.0, "choices", 2)
                for who in those
                for specialty in ("text", "image")
            ]
            chance.shuffle(batch)
            reputation.record_grades(batch, now=clock.now())

    def in_transactions(seed: int) -> None:
        with transaction.atomic():
            record(seed)

    found = together(*[lambda seed=seed: in_transactions(seed) for seed in range(4)])
    assert found == [None] * 4
    rows = SkillRecord.objects.all()
    assert len(rows) == 12
    assert {row.gold_answers for row in rows} == {60}


def test_sweeps_that_meet_at_a_task_decide_it_once() -> None:
    """Two who answer one task may be judged by two sweeps: the second sees both."""
    job = make.live(40, undo_seconds=0, quality={"audit_share": 0})
    those = [people.person() for _ in range(2)]
    for who in those:
        for _ in range(40):
            people.answered(job, who)
    found = together(*[drained(lambda: judging.judge_batch(limit=7), 20)] * 4)
    assert sum(found) == 80, found
    assert not Assignment.objects.filter(job=job, judged_at=None).exists()
    assert set(Task.objects.filter(job=job).values_list("state", flat=True)) == {"resolved"}
    assert Resolution.objects.count() == 40
    assert broken() == []
