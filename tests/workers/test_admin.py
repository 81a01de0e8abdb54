"""The labour plane in Django admin: everything to look at, people to suspend, nothing to edit."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from core import clock
from core.models import User
from marketplace.models import Qualification
from tests.factories import marketplace as make
from tests.factories import push, reviewing
from tests.factories import workers as people
from workers.models import (
    Assignment,
    Attempt,
    Availability,
    Contest,
    Grant,
    Offer,
    SkillRecord,
    Worker,
    WorkerJob,
)
from workers.services import offers

pytestmark = pytest.mark.django_db

MODELS = (
    Assignment, Attempt, Availability, Contest, Grant, Offer, SkillRecord, Worker, WorkerJob,
)  # fmt: skip


def staff(*permissions: str) -> Client:
    user = User.objects.create_user(f"{len(permissions)}@example.org", None, is_staff=True)
    if permissions == ("all",):
        user.is_superuser = True
        user.save()
    else:
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def place(model: Any, what: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)


def market() -> people.Person:
    """A row of every model; the worker that most are about."""
    row = reviewing.to_review(reviewing.reviewed_job(), people.person())
    if row.role == "work":
        reviewing.contest(reviewing.reject(row))
    asked = Qualification.objects.create(name="Careful", created_at=clock.now())
    make.live(1)
    who = push.available()
    push.dispatched()
    push.skilled(who, 0.3)
    Grant.objects.create(worker_id=who.id, qualification=asked, granted_at=clock.now())
    Attempt.objects.create(
        worker_id=who.id, qualification=asked, started_at=clock.now(), questions=3
    )
    return who


def act(client: Client, model: Any, name: str, *rows: Any, **fields: str) -> str:
    answer = client.post(
        place(model, "changelist"),
        {"action": name, "_selected_action": [str(pk) for pk in rows], **fields},
        follow=True,
    )
    assert answer.status_code == 200
    return answer.content.decode()


def test_everything_can_be_looked_at_and_nothing_edited():
    market()
    client = staff("all")
    for model in MODELS:
        row = model.objects.first()
        assert row is not None, model
        listed = client.get(place(model, "changelist"))
        assert listed.status_code == 200
        assert client.get(place(model, "changelist") + f"?q={row.pk}").status_code == 200
        assert client.get(place(model, "changelist") + "?q=%00x").status_code == 200
        shown = client.get(place(model, "change", row.pk))
        assert shown.status_code == 200
        assert b'name="_save"' not in shown.content
        assert client.get(place(model, "add")).status_code == 403
        assert client.post(place(model, "delete", row.pk), {"post": "yes"}).status_code == 403


def test_every_row_of_the_plane_that_people_ask_about_is_there():
    registered = {model for model in admin.site._registry if model._meta.app_label == "workers"}
    assert registered == set(MODELS)


def test_a_row_is_found_by_its_workers_id():
    who = market()
    client = staff("all")
    listed = client.get(place(Offer, "changelist") + f"?q={who.id}").content.decode()
    assert str(Offer.objects.get(worker_id=who.id).pk) in listed
    other = client.get(place(Offer, "changelist") + f"?q={people.person().id}").content.decode()
    assert "0 offers" in other


def test_a_suspension_says_why_and_takes_the_open_offer_back():
    who = market()
    offer = Offer.objects.get(worker_id=who.id)
    client = staff("view_worker", "change_worker")
    assert "Say why" in act(client, Worker, "suspend", who.id)
    assert not who.worker.is_suspended
    act(client, Worker, "suspend", who.id, reason="Copied answers of others.")
    assert (who.worker.is_suspended, who.worker.suspended_reason) == (
        True, "Copied answers of others.",
    )  # fmt: skip
    offer.refresh_from_db()
    assert offer.state == Offer.State.WITHDRAWN
    assert Availability.objects.get(pk=who.id).ended_reason == "suspended"
    assert "Copied answers" in LogEntry.objects.latest("pk").change_message
    assert push.dispatched() == []
    act(client, Worker, "lift", who.id)
    assert (who.worker.is_suspended, who.worker.suspended_reason) == (False, "")
    push.wait(who)
    make.live(1)
    assert len(push.dispatched()) == 1


def test_what_a_suspended_worker_has_claimed_is_still_answered_and_paid():
    job = people.paying(1, undo_seconds=0)
    who = people.person()
    claim = people.claimed(job, who)
    act(staff("view_worker", "change_worker"), Worker, "suspend", who.id, reason="Under review.")
    people.submit(who, claim["id"])
    people.judge_all()
    assert people.settle_all() == 1
    assert Assignment.objects.get(pk=claim["id"]).state == "accepted"


def test_who_may_only_look_cannot_suspend_and_nobody_decides_about_themselves():
    who = market()
    page = staff("view_worker").get(place(Worker, "changelist")).content.decode()
    assert 'value="suspend"' not in page
    User.objects.filter(pk=who.id).update(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(User.objects.get(pk=who.id))
    assert "Somebody else" in act(client, Worker, "suspend", who.id, reason="Me.")
    assert not who.worker.is_suspended


def test_an_appeal_opens_a_specialty_again():
    who = people.person()
    push.skilled(who, 0.2)
    SkillRecord.objects.update(
        is_suspended=True, suspended_at=clock.now(), suspended_reason="Too many failed checks."
    )
    record = SkillRecord.objects.get()
    act(staff("view_skillrecord", "change_worker"), SkillRecord, "lift", record.pk)
    record.refresh_from_db()
    assert (record.is_suspended, record.suspended_at, record.q_low) == (False, None, 0.2)
    make.live(1)
    push.wait(who)
    (offer,) = push.dispatched()
    assert offers.accept(offer_id=offer.pk, worker_id=who.id)["id"]


def test_a_contest_is_shown():
    who = people.person()
    row = reviewing.to_review(reviewing.reviewed_job(), who)
    assert row.role == "work"
    found = reviewing.contest(reviewing.reject(row))
    page = staff("all").get(place(Contest, "change", found.pk)).content.decode()
    assert "See line two." in page
