"""The payout queue in the admin: what is shown, what may be done, by whom, and never twice."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from core.ids import new_id
from core.models import User
from payments.fakestripe import FakeStripe
from payments.models import Payout, PayoutEvent
from payments.services import payout_review, payout_sending, payouts
from tests.factories import payments as money
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/payments/payout/"


def finance(*codenames: str) -> tuple[Client, UUID]:
    user = User.objects.create(email=f"{new_id()}@example.org", is_staff=True)
    names = codenames or ("view_payout", "review_payout", "view_ledgertransaction")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client(raise_request_exception=True)
    client.force_login(user)
    return client, user.pk


def waiting(
    fake: FakeStripe, micros: int = 30 * make.DOLLAR, *, bank: str | None = None, **facts: Any
) -> Payout:
    """A payout that waits for a person. By default there is nothing to it but notes."""
    old = money.requester()
    from core.models import Organization

    Organization.objects.filter(pk=old).update(created_at="2020-01-01T00:00Z")
    worker = make.earner(micros, organization_id=old, **facts).worker_id
    make.account(fake, worker, bank=bank or f"9{worker.int % 10**11:011d}")
    payout = payouts.request(worker_id=worker, by=worker)
    payout_review.look(payout.pk)
    return Payout.objects.get(pk=payout.pk)


def decide(client: Client, payout: Payout, decision: str, reason: str = "I looked") -> str:
    answer = client.post(
        reverse("admin:payments_payout_decide", args=[payout.pk]),
        {"decision": decision, "reason": reason},
        follow=True,
    )
    return answer.content.decode()


def state(payout: Payout) -> str:
    return Payout.objects.values_list("state", flat=True).get(pk=payout.pk)


def test_the_queue_shows_the_gravest_and_oldest_first_in_plain_words(
    fake_stripe: FakeStripe, django_assert_max_num_queries: Any
) -> None:
    light = waiting(fake_stripe)
    grave = waiting(fake_stripe, bank="000123456789")
    graver = waiting(fake_stripe, 300 * make.DOLLAR, bank="000123456789")
    payout_review.look(grave.pk)
    client, _ = finance()
    page = client.get(LIST).content.decode()
    places = [page.index(str(one.pk)) for one in (grave, graver, light)]
    assert places == sorted(places)
    assert "The same bank account is used by another worker." in page
    assert "It is this worker&#x27;s first payout." in page
    assert "$300.00 is over $200.00: two people must approve it." in page
    with django_assert_max_num_queries(12):
        client.get(LIST)


def test_pages_run_nothing_inline_and_every_page_opens(fake_stripe: FakeStripe) -> None:
    payout = waiting(fake_stripe)
    root = User.objects.create(email="root@example.org", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(root)
    pages = [LIST, f"{LIST}{payout.pk}/change/", f"{LIST}?queue=all", f"{LIST}?q={payout.pk}"]
    for model in apps.get_app_config("payments").get_models():
        if admin.site.is_registered(model):
            pages.append(reverse(f"admin:payments_{model._meta.model_name}_changelist"))
            row = model._default_manager.first()
            if row is not None:
                pages.append(
                    reverse(f"admin:payments_{model._meta.model_name}_change", args=[row.pk])
                )
    pages.append(reverse("admin:payments_ratecard_add"))
    for place in pages:
        answer = client.get(place)
        assert answer.status_code == 200, place
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        text = answer.content.decode()
        assert not re.search(
            r"<script(?![^>]*\bsrc=)(?![^>]*type=\"(application/json|text/plain))", text
        )
        assert not re.search(r"\sstyle=|\son[a-z]+=\"|<style|javascript:", text), place


def test_a_reason_is_asked_for_and_kept(fake_stripe: FakeStripe) -> None:
    payout = waiting(fake_stripe)
    client, person = finance()
    assert "Say why." in decide(client, payout, "approve", "   ")
    assert state(payout) == "needs_review"
    page = decide(client, payout, "approve", "known worker")
    assert "It is approved." in page
    event = PayoutEvent.objects.get(payout=payout, kind="approved")
    assert (event.by_id, event.reason, event.from_state) == (person, "known worker", "needs_review")
    assert "known worker" in page, "it stands in the history"


def test_above_the_limit_two_people_and_never_the_same(fake_stripe: FakeStripe) -> None:
    payout = waiting(fake_stripe, 300 * make.DOLLAR)
    (one, _), (two, _) = finance(), finance()
    decide(one, payout, "approve")
    assert state(payout) == "needs_review"
    assert "another person has to" in decide(one, payout, "approve")
    assert state(payout) == "needs_review"
    decide(two, payout, "approve")
    assert state(payout) == "approved"


def test_nobody_decides_about_their_own(fake_stripe: FakeStripe) -> None:
    payout = waiting(fake_stripe)
    User.objects.filter(pk=payout.worker_id).update(is_staff=True)
    own = Client()
    own.force_login(User.objects.get(pk=payout.worker_id))
    User.objects.get(pk=payout.worker_id).user_permissions.set(
        Permission.objects.filter(codename__in=("view_payout", "review_payout"))
    )
    for decision in ("approve", "reject", "hold"):
        assert "your own payout" in decide(own, payout, decision)
    own.post(
        LIST,
        {
            "action": "approve_together",
            "confirmed": "1",
            "_selected_action": [payout.pk],
            "reason": "x",
        },
    )
    assert state(payout) == "needs_review"


def test_who_may_look_may_not_decide(fake_stripe: FakeStripe) -> None:
    payout = waiting(fake_stripe)
    client, _ = finance("view_payout")
    page = client.get(f"{LIST}{payout.pk}/change/").content.decode()
    assert "Decide" not in page
    place = reverse("admin:payments_payout_decide", args=[payout.pk])
    assert client.post(place, {"decision": "approve", "reason": "x"}).status_code == 403
    assert "approve_together" not in client.get(LIST).content.decode()
    assert Client().post(place).status_code == 302, "to the log-in"
    assert client.get(place).status_code == 405
    assert state(payout) == "needs_review"


def test_reject_hold_release_and_check_again(fake_stripe: FakeStripe) -> None:
    client, _ = finance()
    first, second, third = (waiting(fake_stripe) for _ in range(3))
    decide(client, first, "reject", "duplicate account")
    assert state(first) == "rejected"
    assert money.balance(f"worker:{first.worker_id}:available", "USD") == first.amount_micros
    decide(client, second, "reject_to_held", "case 7")
    assert money.balance(f"worker:{second.worker_id}:held", "USD") == second.amount_micros
    decide(client, third, "hold", "asking the worker")
    assert state(third) == "held"
    decide(client, third, "release", "answered")
    assert state(third) == "requested"
    payout_review.look(third.pk)
    decide(client, third, "recheck", "again")
    assert state(third) == "needs_review"
    assert "no such decision" in decide(client, third, "delete").lower()
    assert "cannot become" in decide(client, first, "hold")


def test_together_only_what_has_notes_alone_and_only_when_confirmed(
    fake_stripe: FakeStripe,
) -> None:
    fit = [waiting(fake_stripe) for _ in range(3)]
    warned = waiting(fake_stripe, risk_notes=("worker suspended",))
    large = waiting(fake_stripe, 300 * make.DOLLAR)
    client, _ = finance()
    chosen = [one.pk for one in (*fit, warned, large)]
    body = {"action": "approve_together", "_selected_action": chosen}
    page = client.post(LIST, body).content.decode()
    assert "3 payouts, <strong>$90.00</strong> in all" in page
    assert "Left out" in page
    assert {state(one) for one in fit} == {"needs_review"}, "nothing before it is confirmed"
    assert not re.search(r"\sstyle=|<style", page)
    confirmed = {**body, "confirmed": "1", "reason": "Friday"}
    client.post(LIST, confirmed)
    assert {state(one) for one in fit} == {"approved"}
    assert (state(warned), state(large)) == ("needs_review", "needs_review")
    client.post(LIST, confirmed)
    assert PayoutEvent.objects.filter(kind="approved").count() == 3


def test_nothing_is_editable_or_deletable() -> None:
    root = User.objects.create(email="root@example.org", is_staff=True, is_superuser=True)
    request: Any = type("Asked", (), {"user": root, "GET": {}, "method": "GET"})()
    for model, page in admin.site._registry.items():
        if model._meta.app_label == "payments":
            assert not page.has_delete_permission(request), model
            assert not page.has_change_permission(request), model
            assert page.has_add_permission(request) == (model._meta.model_name == "ratecard")


@pytest.fixture
def unknown(fake_stripe: FakeStripe) -> Payout:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    fake_stripe.store.faults.order("drop_after", "POST /v1/transfers")
    payout_sending.sweep()
    return payout


def test_an_unknown_payout_can_only_be_checked(unknown: Payout) -> None:
    client, _ = finance()
    page = client.get(f"{LIST}{unknown.pk}/change/").content.decode()
    assert re.findall(r'name="decision" value="(\w+)"', page) == ["recheck"]
    for decision in ("approve", "reject", "hold"):
        decide(client, unknown, decision)
        assert state(unknown) == "unknown"
    decide(client, unknown, "recheck")
    assert state(unknown) == "sent"


@pytest.mark.parametrize(
    ("reason", "says"),
    [("a\x00b", "Null characters are not allowed."), ("x" * 2001, "at most 2000 characters")],
)
def test_a_reason_that_cannot_be_kept_is_refused_in_words(
    reason: str, says: str, fake_stripe: FakeStripe
) -> None:
    payout = waiting(fake_stripe)
    client, _ = finance()
    assert says in decide(client, payout, "approve", reason)
    together = {
        "action": "approve_together",
        "confirmed": "1",
        "_selected_action": [str(payout.pk)],
        "reason": reason,
    }
    page = client.post(LIST, together, follow=True).content.decode()
    assert "Nothing was approved." in page
    assert says in page
    assert state(payout) == "needs_review"
