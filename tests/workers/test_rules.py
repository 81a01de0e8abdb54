"""What the labour plane's tables hold to by themselves, whoever writes to them."""

from __future__ import annotations

import importlib
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import Assignment, Attempt, Contest, Offer

pytestmark = pytest.mark.django_db

rules = importlib.import_module("workers.migrations.0002_rules")


@pytest.mark.parametrize(
    ("model", "table"),
    [
        (Assignment, rules.ASSIGNMENT_TRANSITIONS),
        (Offer, rules.OFFER_TRANSITIONS),
        (Attempt, rules.ATTEMPT_TRANSITIONS),
        (Contest, rules.CONTEST_TRANSITIONS),
    ],
)
def test_the_triggers_know_the_models_transitions(
    model: type[models.Model], table: dict[str, tuple[str, ...]]
) -> None:
    states = set(model.State.values)  # type: ignore[attr-defined]
    assert set(table) == states
    assert {name: set(to) for name, to in table.items()} == {
        name: set(to)
        for name, to in model.TRANSITIONS.items()  # type: ignore[attr-defined]
    }


def claim() -> Assignment:
    job = make.live(1)
    return Assignment.objects.get(pk=people.claimed(job, people.person())["id"])


@pytest.mark.parametrize(
    "facts",
    [
        {"guaranteed_micros": 1},
        {"tier": Decimal("1.30")},
        {"units": 2},
        {"fee_micros": 0},
        {"card_version": 9},
        {"role": "gold"},
        {"claimed_at": "2025-01-01T00:00Z"},
    ],
)
def test_a_quote_is_frozen(facts: dict[str, Any]) -> None:
    row = claim()
    with pytest.raises(IntegrityError, match="keeps its task"), transaction.atomic():
        Assignment.objects.filter(pk=row.pk).update(**facts)


def test_an_assignment_is_never_deleted() -> None:
    row = claim()
    with pytest.raises(IntegrityError, match="keeps its task"), transaction.atomic():
        row.delete()


@pytest.mark.parametrize(
    ("state", "facts"),
    [
        ("accepted", {}),  # never submitted
        ("reversed", {}),
        ("submitted", {}),  # without an answer
        ("returned", {}),  # without its time
        ("expired", {}),
        ("lost", {}),
    ],
)
def test_a_state_without_its_way_or_its_facts_is_refused(state: str, facts: dict[str, Any]) -> None:
    row = claim()
    with pytest.raises(IntegrityError), transaction.atomic():
        Assignment.objects.filter(pk=row.pk).update(state=state, **facts)


def test_a_third_open_claim_and_a_second_of_one_task_are_refused() -> None:
    row = claim()
    with connection.cursor() as cursor:
        columns = [one.column for one in Assignment._meta.concrete_fields if one.column != "id"]
        names = ", ".join(columns)
        for changed in ("", "lane"):
            values = ", ".join("1" if name == changed else name for name in columns)
            with pytest.raises(IntegrityError), transaction.atomic():
                cursor.execute(
                    f"INSERT INTO workers_assignment (id, {names})"
                    f" SELECT gen_random_uuid(), {values} FROM workers_assignment WHERE id = %s",
                    [row.pk],
                )


def test_hot_tables_keep_room_for_updates_in_place() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, array_to_string(reloptions, ',') FROM pg_class"
            " WHERE relname IN ('workers_workerjob', 'workers_assignment', 'marketplace_task')"
        )
        found = dict(cursor.fetchall())
    assert all("fillfactor" in options for options in found.values()), found
    assert len(found) == 3
