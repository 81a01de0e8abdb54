from __future__ import annotations

from decimal import Decimal

import pytest

from core import clock, errors
from core.services import accounts
from tests.factories import workers as people
from workers.models import Worker
from workers.services import onboarding, profiles, reputation, standing

pytestmark = pytest.mark.django_db


def account() -> object:
    return accounts.create_user(email="new@example.org", password=None).pk


def test_becoming_a_worker_twice_is_as_once() -> None:
    pk = account()
    for _ in range(2):
        row = onboarding.become_worker(
            user_id=pk,  # type: ignore[arg-type]
            languages=["en", "pt-BR", "en"],
            specialties=["text"],
            country="PT",
        )
        assert (row.languages, row.specialties, row.country) == (["en", "pt-BR"], ["text"], "PT")
    assert Worker.objects.count() == 1
    with pytest.raises(onboarding.AlreadyAWorker):
        onboarding.become_worker(
            user_id=pk,  # type: ignore[arg-type]
            languages=["de"],
            specialties=[],
            country="",
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("languages", ["english"]),
        ("languages", ["EN"]),
        ("languages", ["en-"]),
        ("languages", [f"x{chr(97 + n)}" for n in range(21)]),
        ("specialties", ["juggling"]),
        ("country", "pt"),
        ("country", "PRT"),
    ],
)
def test_what_no_profile_can_hold_is_named(field: str, value: object) -> None:
    facts = {"languages": ["en"], "specialties": [], "country": "", field: value}
    with pytest.raises(errors.Invalid) as told:
        onboarding.become_worker(user_id=account(), **facts)  # type: ignore[arg-type]
    assert list(told.value.errors or {}) == [field]
    assert not Worker.objects.exists()


def test_a_profile_changes_by_what_is_given() -> None:
    who = people.person(languages=["en"])
    row = profiles.change(worker_id=who.id, fields={"specialties": ["text", "transcription"]})
    assert (row.languages, row.specialties) == (["en"], ["text", "transcription"])
    with pytest.raises(standing.NotAWorker):
        profiles.change(worker_id=account(), fields={"country": "PT"})  # type: ignore[arg-type]


def test_a_new_worker_is_told_what_the_first_tier_takes() -> None:
    who = people.person(specialties=["text"])
    (skill,) = profiles.profile(worker_id=who.id).skills
    assert (skill.checks, skill.lower_bound, skill.tier) == (0, None, Decimal("1.00"))
    assert skill.next_tier == Decimal("1.10")
    assert skill.checks_missing is not None
    assert 10 <= skill.checks_missing <= 150


def test_checks_bring_the_tier_and_their_number_falls() -> None:
    who = people.person(specialties=["text"])

    def right(count: int) -> profiles.SkillView:
        fact = reputation.GradeFact(who.id, "text", 1.0, "choices", 2)
        reputation.record_grades([fact] * count, now=clock.now())
        (skill,) = profiles.profile(worker_id=who.id).skills
        return skill

    before = profiles.profile(worker_id=who.id).skills[0].checks_missing
    assert before is not None
    almost = right(before - 1)
    assert (almost.tier, almost.checks_missing) == (Decimal("1.00"), 1)
    there = right(1)
    assert there.tier == Decimal("1.10")
    assert there.lower_bound is not None


def test_a_suspension_is_shown_with_its_reason() -> None:
    who = people.person()
    wrong = reputation.GradeFact(who.id, "text", 0.0, "choices", 2)
    reputation.record_grades([wrong] * 12, now=clock.now())
    (skill,) = profiles.profile(worker_id=who.id).skills
    assert skill.is_suspended
    assert "appeal" in skill.suspended_reason
    assert standing.read(who.id).suspension("text") == skill.suspended_reason
    assert standing.read(who.id).suspension("image") == ""


@pytest.mark.parametrize(
    ("job", "own", "suits"),
    [
        ([], [], True),
        (["pt"], ["pt-BR"], True),
        (["pt-BR"], ["pt"], False),
        (["de", "en"], ["fr", "en"], True),
        (["de"], [], False),
    ],
)
def test_languages_suit_by_tag_or_by_language(job: list[str], own: list[str], suits: bool) -> None:
    who = people.person(languages=own)
    assert standing.read(who.id).speaks(job) is suits
