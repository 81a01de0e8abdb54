"""Judging keeps up with a busy market."""

from __future__ import annotations

import time

import pytest
from django.db import connection

from marketplace.models import Resolution, Task
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import SkillRecord
from workers.services import judging

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

TASKS, PEOPLE, GOLD = 1200, 40, 25

# Claimed and submitted answers of everybody, as the statements leave them behind.
_ANSWER = """
WITH asked AS (
    SELECT t.id AS task_id, w.user_id AS worker_id, t.role, gen_random_uuid() AS id
    FROM marketplace_task t
    CROSS JOIN LATERAL (
        SELECT user_id FROM workers_worker w
        WHERE w.user_id = ANY(%(people)s)
        ORDER BY md5(w.user_id::text || t.id::text)
        LIMIT CASE WHEN t.role = 'gold' THEN 12 ELSE 2 END
    ) w
    WHERE t.job_id = %(job)s
),
claimed AS (
    INSERT INTO workers_assignment (
        id, job_id, task_id, worker_id, role, state, lane, claimed_at, expires_at, submitted_at,
        judge_after, answer_hash, extensions, is_late, draft_version, reject_reason,
        reject_evidence, currency, units, unit_price, tier, specialty_factor,
        floor_per_hour_micros, seconds_per_unit, fee_rate, card_version, guaranteed_micros,
        bonus_max_micros, fee_micros, reserve_micros)
    SELECT a.id, %(job)s, a.task_id, a.worker_id, a.role, 'submitted', 0, core_now(),
        core_now() + interval '1 hour', core_now(), core_now() - interval '1 second', '\\x00', 0,
        false, 0, '', '', 'XTS', 1, 18000, 1, 1, 0, 8, 0.2, 1, 18000, 0, 3600, 30000
    FROM asked a
),
taken AS (
    UPDATE marketplace_task SET taken = wanted, remaining = 0, is_open = false
    WHERE job_id = %(job)s AND role = 'work'
)
INSERT INTO marketplace_annotation (
    id, task_id, interface_id, assignment_ref, author_ref, answer, is_late, is_counted,
    is_excluded, round, created_at)
SELECT gen_random_uuid(), a.task_id, %(interface)s, a.id, a.worker_id,
    jsonb_build_object('choice', CASE WHEN random() < .85 THEN 'yes' ELSE 'no' END),
    false, false, false, 1, core_now()
FROM asked a
"""


def test_judging_keeps_up_with_500_answers_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    job = make.live(TASKS, undo_seconds=0)
    make.add_gold(job, [make.YES] * GOLD)
    those = [people.person().id for _ in range(PEOPLE)]
    with connection.cursor() as cursor:
        cursor.execute(_ANSWER, {"job": job.pk, "people": those, "interface": job.interface_id})
        count = cursor.rowcount
        cursor.execute("ANALYZE")
    assert count == TASKS * 2 + GOLD * 12
    began = time.perf_counter()
    judged = sum(iter(judging.judge_batch, 0))
    rate = judged / (time.perf_counter() - began)
    with capsys.disabled():
        print(f"\njudging: {judged} answers, {rate:.0f} a second")  # noqa: T201
    assert judged == count
    assert SkillRecord.objects.count() >= PEOPLE - 5
    decided = Resolution.objects.filter(task__job=job, is_current=True).count()
    open_again = Task.objects.filter(job=job, role="work", state="open", remaining=1).count()
    assert decided + open_again == TASKS
    assert rate >= 500
