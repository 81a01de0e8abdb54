"""The data plane in Django admin: everything to look at, jobs to suspend, nothing to edit."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from core import clock
from core.models import User
from marketplace.models import (
    Annotation,
    Export,
    GoldAnswer,
    Interface,
    Job,
    JobStats,
    Media,
    Prediction,
    Qualification,
    Resolution,
    Task,
    WebhookDelivery,
    WebhookEndpoint,
)
from marketplace.services import exports, qualifications, webhooks
from tests.factories import delivery
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db

MODELS = (
    Annotation, Export, GoldAnswer, Interface, Job, JobStats, Media, Prediction, Qualification,
    Resolution, Task, WebhookDelivery, WebhookEndpoint,
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


def market() -> Job:
    """A row of every model."""
    exam = make.exam()
    qualifications.create(
        organization_id=exam.organization_id, name="Reader", exam_job_id=exam.pk,
        by=exam.created_by_id,
    )  # fmt: skip
    job = make.live(2)
    delivery.endpoint(job.organization_id)
    webhooks.queue(organization_id=job.organization_id, event_type="job.launched", payloads=[{}])
    task, _ = make.work(job)
    make.conclude(task)
    exports.create(job=job, format_name="csv", by=job.created_by_id)
    Prediction.objects.create(
        task=task, interface_id=job.interface_id, model_version="m", value=make.YES,
        created_at=clock.now(),
    )  # fmt: skip
    Media.objects.create(
        organization_id=job.organization_id, created_by_id=job.created_by_id, stored_name="x",
        content_type="image/png", bytes=1, sha256=b"x", created_at=clock.now(),
    )  # fmt: skip
    return job


def test_every_row_can_be_looked_at_under_the_strict_policy_and_none_edited() -> None:
    market()
    client = staff("all")
    for model in MODELS:
        row = model.objects.first()  # type: ignore[attr-defined]
        assert row is not None, model
        for path in (place(model, "changelist"), place(model, "change", row.pk)):
            page = client.get(path)
            assert page.status_code == 200, path
            assert "script-src 'self'" in page["Content-Security-Policy"]
            html = page.content.decode()
            # Nothing that the policy would stop: no script or style within the page.
            assert not re.search(r"<script(?![^>]*(\bsrc=|application/json))", html), path
            assert not re.search(r"\son[a-z]+=|\sstyle=|<style|javascript:", html), path
        assert client.post(place(model, "change", row.pk), {}).status_code == 403
        assert client.get(place(model, "add")).status_code == 403
        assert client.post(place(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert model in admin.site._registry


def test_secrets_are_not_shown() -> None:
    market()
    endpoint = WebhookEndpoint.objects.get()
    page = staff("all").get(place(WebhookEndpoint, "change", endpoint.pk)).content.decode()
    assert endpoint.secret not in page
    assert endpoint.url in page


@pytest.mark.parametrize("term", ["x", "a b", "%00", "'", "zz-1", "", "x" * 500])
def test_any_text_may_be_searched_for(term: str) -> None:
    client = staff("all")
    for model in MODELS:
        assert client.get(f"{place(model, 'changelist')}?q={term}").status_code == 200


def test_rows_are_found_by_id() -> None:
    job = market()
    client = staff("all")
    shown = client.get(place(Task, "changelist"), {"q": str(job.pk)})
    assert shown.context["cl"].result_count == 2
    shown = client.get(place(Job, "changelist"), {"q": "is it SO"})
    assert shown.context["cl"].result_count == 2
    (one,) = client.get(place(Job, "changelist"), {"q": str(job.pk)}).context["cl"].result_list
    assert one == job


def act(client: Client, name: str, *jobs: Job, **fields: str) -> Any:
    chosen = {"action": name, "_selected_action": [str(job.pk) for job in jobs], **fields}
    return client.post(place(Job, "changelist"), chosen, follow=True)


def test_jobs_are_suspended_for_a_reason_and_let_go_again() -> None:
    one, other, drafted = make.live(1), make.live(1), make.draft()
    client = staff("all")
    said = act(client, "suspend", one, other, drafted).content.decode()
    assert said.count("A reason is needed.") == 3
    assert Job.objects.filter(state="suspended").count() == 0

    said = act(client, "suspend", one, other, drafted, reason="Phishing.").content.decode()
    assert "The job is draft." in said
    rows = Job.objects.filter(pk__in=[one.pk, other.pk])
    assert set(rows.values_list("state", "state_reason")) == {("suspended", "Phishing.")}
    drafted.refresh_from_db()
    assert drafted.state == "draft"

    act(client, "unsuspend", one)
    one.refresh_from_db()
    assert (one.state, one.state_reason) == ("live", "")


def test_only_those_who_may_suspend() -> None:
    job = make.live(1)
    act(staff("view_job"), "suspend", job, reason="Because.")
    job.refresh_from_db()
    assert job.state == "live"
    act(staff("view_job", "change_job"), "suspend", job, reason="Because.")
    job.refresh_from_db()
    assert job.state == "suspended"
    assert Client().get(place(Job, "changelist")).status_code == 302
