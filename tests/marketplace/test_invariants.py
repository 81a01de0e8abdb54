"""Every invariant of the data plane sees its own breach, and no other one.

Each proof makes a sound job, takes away what the database itself refuses the breach with, and
breaks one row by raw SQL; the test's transaction is rolled back at its end.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from core import audit
from core.ids import new_id
from marketplace.models import Job, Task
from marketplace.services import webhooks
from tests.factories import delivery
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db

#: Rows are changed past triggers and foreign keys; they are still there for M9 to see.
UNGUARDED = "SET LOCAL session_replication_role = replica"


def sql(*statements: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        # Tables with deferred checks still to come are not altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in statements:
            cursor.execute(statement, values if "%(" in statement else None)


def broken() -> dict[str, int]:
    # Answers come without their claims here: what the labour plane (W) says is proven there.
    return {one.id: one.rows for one in audit.run_all() if not one.ok and one.id[0] != "W"}


def sound() -> Job:
    """A job with a task of every kind, answers and conclusions, gold and a webhook."""
    whose = make.requester()
    delivery.endpoint(whose.organization_id)
    job = make.live(4, whose=whose)
    make.add_gold(job, [make.YES])
    first, second, third, _ = make.work(job)
    make.conclude(first)
    make.conclude(second, escalated=True)
    make.answer(third, make.NO)
    return job


def a_task(job: Job, state: str = "open") -> Task:
    return Task.objects.filter(job=job, role="work", state=state).order_by("-pos")[0]


def drop(table: str, constraint: str) -> str:
    return f"ALTER TABLE {table} DROP CONSTRAINT {constraint}"


def overlap_below_wanted(job: Job) -> None:
    sql(
        drop("marketplace_task", "task_slots"),
        "UPDATE marketplace_task SET max_overlap = 1 WHERE id = %(id)s",
        id=a_task(job).pk,
    )


def slots_that_do_not_add_up(job: Job) -> None:
    sql(
        drop("marketplace_task", "task_slots"),
        "UPDATE marketplace_task SET taken = taken + 1 WHERE id = %(id)s",
        id=a_task(job).pk,
    )


def a_free_slot_hidden(job: Job) -> None:
    sql(
        drop("marketplace_task", "task_is_open"),
        "UPDATE marketplace_task SET is_open = false WHERE id = %(id)s",
        id=a_task(job).pk,
    )


def a_decided_task_offered(job: Job) -> None:
    sql(
        drop("marketplace_task", "task_is_open"),
        "UPDATE marketplace_task SET is_open = true WHERE id = %(id)s",
        id=a_task(job, "resolved").pk,
    )


def say(task: Task, *, author: Any = None, interface: Any = None) -> None:
    sql(
        """
        INSERT INTO marketplace_annotation (id, task_id, interface_id, assignment_ref, author_ref,
            answer, is_late, is_counted, is_excluded, round, created_at)
        VALUES (gen_random_uuid(), %(task)s, %(interface)s, gen_random_uuid(), %(author)s,
            '{"choice": "yes"}', false, true, false, 1, core_now())
        """,
        task=task.pk,
        interface=interface or task.job.interface_id,
        author=author or new_id(),
    )


def more_answers_than_slots(job: Job) -> None:
    say(a_task(job))


def two_answers_of_one_worker(job: Job) -> None:
    task, author = a_task(job), new_id()
    sql(
        "UPDATE marketplace_task SET taken = 2, remaining = 0, is_open = false WHERE id = %(id)s",
        id=task.pk,
    )
    say(task, author=author)
    say(task, author=author)


def a_decided_task_without_its_conclusion(job: Job) -> None:
    sql(
        UNGUARDED,
        "UPDATE marketplace_resolution SET is_current = false WHERE task_id = %(id)s",
        id=a_task(job, "resolved").pk,
    )


def an_escalated_conclusion_that_looks_final(job: Job) -> None:
    sql(
        UNGUARDED,
        "UPDATE marketplace_resolution SET is_escalated = false WHERE task_id = %(id)s",
        id=a_task(job, "escalated").pk,
    )


def slots_without_reserve(job: Job) -> None:
    sql("UPDATE payments_escrow SET work_micros = 1 WHERE job_id = %(id)s", id=job.pk)


def a_job_over_with_open_tasks(job: Job) -> None:
    sql(
        UNGUARDED,
        "UPDATE marketplace_job SET state = 'completed', closed_at = core_now() WHERE id = %(id)s",
        id=job.pk,
    )


def gold_without_an_answer(job: Job) -> None:
    sql(
        "DELETE FROM marketplace_goldanswer g USING marketplace_task t"
        " WHERE t.id = g.task_id AND t.job_id = %(id)s",
        id=job.pk,
    )


def work_with_an_answer(job: Job) -> None:
    sql(
        "INSERT INTO marketplace_goldanswer (task_id, answer, explanation) VALUES (%(id)s, '{}', '')",
        id=a_task(job).pk,
    )


def a_guard_switched_off(job: Job) -> None:
    sql("ALTER TABLE marketplace_task DISABLE TRIGGER marketplace_task_state_moves")


def a_guard_taken_away(job: Job) -> None:
    sql("DROP TRIGGER resolution_stays ON marketplace_resolution")


def a_live_job_that_is_closed(job: Job) -> None:
    sql(
        drop("marketplace_job", "job_closed_facts"),
        "UPDATE marketplace_job SET closed_at = core_now() WHERE id = %(id)s",
        id=job.pk,
    )


def an_answer_by_another_interface(job: Job) -> None:
    sql(
        UNGUARDED,
        "UPDATE marketplace_annotation SET interface_id = %(other)s WHERE task_id = %(id)s",
        other=make.draft().interface_id,
        id=a_task(job, "escalated").pk,
    )


def a_notice_that_waits_for_ever(job: Job) -> None:
    webhooks.queue(organization_id=job.organization_id, event_type="job.launched", payloads=[{}])
    sql("UPDATE marketplace_webhookdelivery SET give_up_at = core_now() - interval '2 days'")


BREACHES: list[tuple[str, Callable[[Job], None]]] = [
    ("M1", overlap_below_wanted),
    ("M1", slots_that_do_not_add_up),
    ("M2", a_free_slot_hidden),
    ("M2", a_decided_task_offered),
    ("M3", more_answers_than_slots),
    ("M4", two_answers_of_one_worker),
    ("M5", a_decided_task_without_its_conclusion),
    ("M5", an_escalated_conclusion_that_looks_final),
    ("M6", slots_without_reserve),
    ("M7", a_job_over_with_open_tasks),
    ("M8", gold_without_an_answer),
    ("M8", work_with_an_answer),
    ("M9", a_guard_switched_off),
    ("M9", a_guard_taken_away),
    ("M10", a_live_job_that_is_closed),
    ("M11", an_answer_by_another_interface),
    ("M12", a_notice_that_waits_for_ever),
]


def test_a_sound_job_breaks_nothing() -> None:
    sound()
    assert broken() == {}


def test_every_invariant_has_a_proof() -> None:
    own = {one for one in audit.registry() if one.startswith("M")}
    assert {one for one, _ in BREACHES} == own


@pytest.mark.parametrize(("expected", "breach"), BREACHES, ids=[b.__name__ for _, b in BREACHES])
def test_a_breach_is_seen(expected: str, breach: Callable[[Job], None]) -> None:
    breach(sound())
    assert list(broken()) == [expected]
