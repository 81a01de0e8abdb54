"""Rate cards are published in the admin and never changed; notices that failed are tried again."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from core import clock
from core.models import User
from payments.models import RateCard, StripeEvent
from payments.services import rates

pytestmark = pytest.mark.django_db

ADD = "/admin/payments/ratecard/add/"


@pytest.fixture
def root() -> Client:
    user = User.objects.create(email="root@example.org", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    return client


def form(**changes: Any) -> dict[str, Any]:
    return {
        "currency": "USD",
        "specialties": '{"text": "1.00", "transcription": "1.60"}',
        "tiers": '[[0, "1.00"], [1, "1.20"]]',
        "floor_per_hour_micros": "9000000",
        "fee_rate": "0.2000",
        "topup_cap": "0.2500",
        "note": "Voice is worth more",
        "active_from_0": "",
        "active_from_1": "",
        **changes,
    }


def test_a_new_version_is_published_and_the_old_one_stays(root: Client) -> None:
    before = rates.current("USD")
    page = root.get(ADD).content.decode()
    assert str(before.floor_per_hour_micros) in page, "it begins as the one in force"
    answer = root.post(ADD, form(), follow=True)
    assert answer.status_code == 200
    card = rates.current("USD")
    assert card.version > before.version
    assert str(card.specialty_factor("transcription")) == "1.60"
    assert RateCard.objects.get(pk=card.version).created_by is not None
    assert rates.get(before.version) == before
    change = f"/admin/payments/ratecard/{before.version}/change/"
    assert root.get(change).status_code == 200
    assert root.post(change, form()).status_code == 403
    assert root.post(f"/admin/payments/ratecard/{before.version}/delete/").status_code == 403


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tiers": '[[0, "1.00"], [1, "0.90"]]'}, "A higher level never pays less."),
        ({"tiers": '[[1, "1.00"]]'}, "The first is level 0 with factor 1."),
        ({"specialties": '{"text": "0.50"}'}, "text: 1.00 to 10.00."),
        ({"specialties": "[1]"}, "Specialties are like"),
        ({"tiers": "5"}, "Specialties are like"),
        ({"floor_per_hour_micros": "0"}, "no work is for nothing"),
        ({"fee_rate": "2"}, "0 to 1, four decimals."),
        ({"currency": "EUR"}, "There is no such currency."),
    ],
)
def test_a_card_that_cannot_price_is_refused_with_the_reason(
    change: dict[str, str], said: str, root: Client
) -> None:
    count = RateCard.objects.count()
    answer = root.post(ADD, form(**change))
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert RateCard.objects.count() == count


def test_a_notice_that_was_given_up_is_put_back(root: Client) -> None:
    now = clock.now()
    made = StripeEvent.objects.create(
        event_id="evt_1",
        type="account.updated",
        livemode=False,
        payload="{}",
        created_at=now,
        received_at=now,
        next_attempt_at=now,
        state="failed",
        handled_at=now,
        attempts=12,
    )
    for _ in range(2):
        root.post(
            "/admin/payments/stripeevent/",
            {"action": "try_again", "_selected_action": [made.pk]},
        )
    row = StripeEvent.objects.get()
    assert (row.state, row.attempts, row.handled_at) == ("received", 0, None)
