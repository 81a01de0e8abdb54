"""Every invariant of the labour plane sees its own breach.

Each proof makes a sound market, takes away what the database itself refuses the breach with, and
breaks one row by raw SQL; the test's transaction is rolled back at its end.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import audit
from tests.factories import marketplace as make
from tests.factories import push, reviewing
from tests.factories import workers as people
from workers.models import Assignment, Contest, Offer, WorkerJob
from workers.services import assignments, contests, offers, places, reputation

#: Rows are changed past triggers and foreign keys.
UNGUARDED = "SET LOCAL session_replication_role = replica"
GUARDED = "SET LOCAL session_replication_role = origin"


def sql(*statements: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        # Tables with deferred checks still to come are not altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(UNGUARDED)
        for statement in statements:
            cursor.execute(statement, values if "%(" in statement else None)
        cursor.execute(GUARDED)


def broken() -> list[str]:
    return [one.id for one in audit.run_all() if not one.ok]


@pytest.fixture(scope="module")
def market(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A sound market for all the proofs; what each does to it is rolled back."""
    with (
        django_db_blocker.unblock(),
        transaction.atomic(),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(reputation, "gold_share", lambda *_facts: Decimal(0))
        sound()
        yield
        transaction.set_rollback(True)


@pytest.fixture
def breakable(market: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


def sound() -> None:
    """Claims and answers in every state, gold, offers of every kind, contests of every outcome."""
    job = reviewing.reviewed_job(14)
    make.add_gold(job, [people.YES, people.NO])
    accepted = reviewing.to_review(job, people.person())
    reviewing.accept(accepted)
    verdicts = (None, contests.uphold, contests.deny)
    for verb in verdicts:
        found = reviewing.contest(reviewing.reject(reviewing.to_review(job, people.person())))
        if verb:
            reviewing.decide(found, verb)
    reviewing.reject(reviewing.to_review(job, people.person()))
    people.settle_all()
    people.answered(job, people.person())
    who = people.person()
    places.join(job_id=job.pk, worker_id=who.id)
    WorkerJob.objects.filter(worker_id=who.id).update(gold_share=1)
    assert people.answered(job, who).role == "gold"
    people.claimed(job, people.person())
    gone = people.person()
    assignments.return_(assignment_id=people.claimed(job, gone)["id"], worker_id=gone.id)
    for _ in range(3):
        push.available()
    first, second, _ = push.dispatched()
    offers.accept(offer_id=first.pk, worker_id=first.worker_id)
    offers.decline(offer_id=second.pk, worker_id=second.worker_id)
    push.dispatched()


def drop(table: str, constraint: str) -> str:
    return f"ALTER TABLE {table} DROP CONSTRAINT {constraint}"


def an_assignment(state: str, role: str = "work") -> Assignment:
    return Assignment.objects.filter(state=state, role=role).order_by("id")[0]


def claimed_twice() -> None:
    row = an_assignment("submitted")
    fields = [f.column for f in Assignment._meta.fields if f.column != "id"]
    names = ", ".join(fields)
    sql(
        "DROP INDEX assignment_live_claim",
        drop("workers_assignment", "assignment_once"),
        f"INSERT INTO workers_assignment (id, {names}) "
        f"SELECT gen_random_uuid(), {names} FROM workers_assignment WHERE id = %(id)s",
        id=row.pk,
    )


def a_slot_stranded() -> None:
    sql(
        "UPDATE marketplace_task SET taken = taken + 1, wanted = wanted + 1,"
        " max_overlap = max_overlap + 1 WHERE id = %(id)s",
        id=an_assignment("claimed").task_id,
    )


def a_claim_that_never_ends() -> None:
    sql(
        "UPDATE workers_assignment SET expires_at = core_now() - interval '1 hour'"
        " WHERE id = %(id)s",
        id=an_assignment("claimed").pk,
    )


def a_claim_that_ended_twice() -> None:
    sql(
        "UPDATE workers_assignment SET expired_at = core_now() WHERE id = %(id)s",
        id=an_assignment("returned").pk,
    )


def an_answer_lost() -> None:
    row = an_assignment("submitted")
    sql("DELETE FROM marketplace_annotation WHERE assignment_ref = %(id)s", id=row.pk)


def an_answer_changed() -> None:
    sql(
        """UPDATE marketplace_annotation SET answer = '{"choice": "no"}'"""
        " WHERE assignment_ref = %(id)s",
        id=an_assignment("submitted").pk,
    )


def an_answer_of_nobody() -> None:
    sql(
        "INSERT INTO marketplace_annotation (id, task_id, interface_id, assignment_ref, author_ref,"
        " answer, is_late, is_counted, is_excluded, round, created_at)"
        " SELECT gen_random_uuid(), task_id, interface_id, gen_random_uuid(), author_ref, answer,"
        " is_late, false, false, round, created_at FROM marketplace_annotation"
        " WHERE assignment_ref = %(id)s",
        id=an_assignment("submitted").pk,
    )


def accepted_and_not_paid() -> None:
    row = an_assignment("accepted")
    sql("DELETE FROM payments_earning WHERE assignment_ref = %(id)s", id=row.pk)


def rejected_and_paid() -> None:
    sql(
        "UPDATE workers_assignment SET state = 'rejected', reject_reason = 'x',"
        " reviewed_at = core_now(), contest_until = core_now() WHERE id = %(id)s",
        id=an_assignment("accepted").pk,
    )


def paid_less_than_promised() -> None:
    sql(
        "UPDATE payments_earning SET amount_micros = amount_micros - 100"
        " WHERE assignment_ref = %(id)s",
        id=an_assignment("accepted").pk,
    )


def a_guard_asleep() -> None:
    sql("ALTER TABLE workers_assignment DISABLE TRIGGER assignment_is_frozen")


def a_transition_guard_gone() -> None:
    sql("DROP TRIGGER workers_offer_state_moves ON workers_offer")


def work_on_ones_own_job() -> None:
    sql(
        "INSERT INTO core_membership (organization_id, user_id, role, created_at)"
        " SELECT j.organization_id, a.worker_id, 'viewer', a.claimed_at - interval '1 day'"
        " FROM workers_assignment a JOIN marketplace_job j ON j.id = a.job_id WHERE a.id = %(id)s",
        id=an_assignment("submitted").pk,
    )


def a_review_of_ones_own() -> None:
    sql(
        "UPDATE workers_assignment SET reviewed_by = worker_id WHERE id = %(id)s",
        id=an_assignment("rejected").pk,
    )


def a_contest_decided_by_its_worker() -> None:
    sql(
        "UPDATE workers_contest c SET ended_by = a.worker_id FROM workers_assignment a"
        " WHERE a.id = c.assignment_id AND c.state = 'upheld'"
    )


def a_claim_of_a_stopped_job() -> None:
    sql(
        "UPDATE marketplace_job SET state = 'suspended', next_state = 'live', state_reason = 'x',"
        " state_changed_at = core_now() - interval '1 day' WHERE id = %(id)s",
        id=an_assignment("claimed").job_id,
    )


def an_offer_accepted_for_nothing() -> None:
    sql(
        drop("workers_offer", "offer_accepted_facts"),
        "UPDATE workers_offer SET assignment_id = NULL WHERE state = 'accepted'",
    )


def an_idle_worker_with_an_offer() -> None:
    sql("UPDATE workers_availability SET is_busy = false")


def two_offers_to_one_worker() -> None:
    row = Offer.objects.filter(state="offered").order_by("-id")[0]
    sql(
        "DROP INDEX offer_one_open",
        "UPDATE workers_offer SET state = 'offered', ended_at = NULL, worker_id = %(worker)s,"
        " expires_at = core_now() + interval '1 minute' WHERE state = 'declined'",
        worker=row.worker_id,
    )


def a_gold_credit_out_of_nothing() -> None:
    sql("UPDATE workers_workerjob SET gold_credit = gold_credit + 1 WHERE gold_credit > 0")


def a_contested_reserve_gone() -> None:
    sql("UPDATE payments_escrow SET contested_micros = contested_micros - 1")


def a_work_reserve_too_many() -> None:
    sql("UPDATE payments_escrow SET work_micros = work_micros + 1")


def a_contest_upheld_and_not_paid() -> None:
    row = Contest.objects.get(state="denied")
    sql("UPDATE workers_contest SET state = 'upheld' WHERE id = %(id)s", id=row.pk)


def a_contest_open_that_was_settled() -> None:
    row = Contest.objects.get(state="denied")
    sql("UPDATE workers_contest SET state = 'open', ended_at = NULL WHERE id = %(id)s", id=row.pk)


BREACHES: list[tuple[Callable[[], None], str]] = [
    (claimed_twice, "W1"),
    (a_slot_stranded, "W2"),
    (a_claim_that_never_ends, "W3"),
    (a_claim_that_ended_twice, "W3"),
    (an_answer_lost, "W4"),
    (an_answer_changed, "W4"),
    (an_answer_of_nobody, "W4"),
    (accepted_and_not_paid, "W5"),
    (rejected_and_paid, "W5"),
    (paid_less_than_promised, "W5"),
    (a_guard_asleep, "W6"),
    (a_transition_guard_gone, "W6"),
    (work_on_ones_own_job, "W7"),
    (a_review_of_ones_own, "W7"),
    (a_contest_decided_by_its_worker, "W7"),
    (a_claim_of_a_stopped_job, "W8"),
    (an_offer_accepted_for_nothing, "W9"),
    (an_idle_worker_with_an_offer, "W9"),
    (two_offers_to_one_worker, "W9"),
    (a_gold_credit_out_of_nothing, "W10"),
    (a_contested_reserve_gone, "W11"),
    (a_work_reserve_too_many, "W12"),
    (a_contest_upheld_and_not_paid, "W13"),
    (a_contest_open_that_was_settled, "W13"),
]


@pytest.mark.usefixtures("breakable")
def test_a_sound_market_breaks_nothing():
    assert {finding.id: finding.sample for finding in audit.run_all() if not finding.ok} == {}
    states = set(Assignment.objects.values_list("state", flat=True))
    assert states == {"claimed", "submitted", "returned", "accepted", "rejected"}


@pytest.mark.parametrize(
    ("breach", "expected"), BREACHES, ids=lambda one: getattr(one, "__name__", one)
)
@pytest.mark.usefixtures("breakable")
def test_each_invariant_sees_its_breach(breach, expected):
    breach()
    assert expected in broken()


def test_every_invariant_has_its_proof():
    ours = {one for one in audit.registry() if one.startswith("W")}
    assert {expected for _, expected in BREACHES} == ours


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
NUMBERS = st.integers(-(10**15), 10**15) | st.floats(-(10**9), 10**9).map(
    lambda n: round(n, 3) + 0.0
)
ANSWERS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.django_db
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(ANSWERS)
def test_the_audit_writes_answers_as_they_were_hashed(answer):
    written = orjson.dumps(answer, option=orjson.OPT_SORT_KEYS).decode()
    with connection.cursor() as cursor:
        cursor.execute("SELECT workers_canonical(%s::jsonb)", [written])
        assert cursor.fetchone()[0] == written
