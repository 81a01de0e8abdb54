"""Payouts over HTTP: the account that is paid, asking, following, taking back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import errors
from core.http.serializers import StrictInteger, StrictSerializer, money
from core.http.views import Access, ApiView
from payments import selectors
from payments.api import shapes
from payments.models import ConnectedAccount, Payout, PayoutEvent
from payments.money import LARGEST_MICROS
from payments.services import payees, payouts

_READ = Access(scope="earnings", role="user")
_ASK = Access(scope="earnings", role="user", idempotency="ordinary", requires_key=True)
_CANCEL = Access(scope="earnings", role="user", idempotency="natural")
_SET_UP = Access(scope="earnings", role="user", idempotency="external")

#: Steps whose reason is written for the worker; others are for those who decide.
_TOLD = frozenset({"blocked", "rejected", "held", "failed", "bank_failed"})


class PayoutInput(StrictSerializer):
    """Without an amount, all that is available in whole cents."""

    amount_micros = StrictInteger(min_value=1, max_value=LARGEST_MICROS, required=False)


class PayoutsQuery(StrictSerializer):
    """Filters of the list."""

    state = serializers.ChoiceField(Payout.State.choices, required=False)


class AccountInput(StrictSerializer):
    """``country`` where the worker lives and has a bank account: two letters, ISO 3166."""

    country = serializers.RegexField(r"\A[A-Z]{2}\Z", max_length=2)


class PayoutView(ApiView):
    """What the views below share."""

    def found(self, payout_id: UUID) -> Payout:
        """The caller's payout; others' look absent."""
        row = selectors.payouts_of(self.caller.user_id).filter(pk=payout_id).first()
        if row is None:
            raise errors.NotFound("There is no such payout.")
        return row


class PayoutList(PayoutView):
    """The caller's payouts."""

    access = {"GET": _READ, "POST": _ASK}
    bodies = {"POST": PayoutInput}
    queries = {"GET": PayoutsQuery}
    responses = {
        "GET": {200: shapes.PayoutShape(many=True)},
        "POST": {201: shapes.PayoutShape},
    }

    def get(self, request: Request) -> Response:
        """List payouts, newest first."""
        rows = selectors.payouts_of(self.caller.user_id)
        query = self.query(PayoutsQuery)
        if "state" in query:
            rows = rows.filter(state=query["state"])
        return self.page_of(rows, render_all)

    def post(self, request: Request) -> Response:
        """Ask for a payout; the money leaves "available" at once."""
        given = self.body(PayoutInput)
        row = payouts.request(worker_id=self.caller.user_id, by=self.caller.user_id, **given)
        return Response(render(row, []), status=201)


class PayoutDetail(PayoutView):
    """One payout."""

    access = {"GET": _READ}
    responses = {"GET": {200: shapes.PayoutDetailShape}}

    def get(self, request: Request, payout: UUID) -> Response:
        """Show a payout with its history."""
        row = self.found(payout)
        steps = list(PayoutEvent.objects.filter(payout=row).order_by("id"))
        moves = [step for step in steps if step.from_state != step.to_state]
        history = [{"at": step.at, "state": step.to_state, "reason": _told(step)} for step in moves]
        return Response({**render(row, steps), "history": history})


class PayoutCancel(PayoutView):
    """Taking a payout back."""

    access = {"POST": _CANCEL}
    bodies = {"POST": StrictSerializer}
    responses = {"POST": {200: shapes.PayoutShape}}

    def post(self, request: Request, payout: UUID) -> Response:
        """Make the money available again, while nobody has sent it. Twice is as once."""
        self.body(StrictSerializer)
        row = payouts.cancel(
            payout_id=payout, worker_id=self.caller.user_id, by=self.caller.user_id
        )
        return Response(render(row, []))


class PayoutAccountView(ApiView):
    """The caller's account at Stripe."""

    access = {"GET": _READ, "POST": _SET_UP}
    bodies = {"POST": AccountInput}
    responses = {
        "GET": {200: shapes.PayoutAccountShape},
        "POST": {201: shapes.SetUpShape},
    }

    def get(self, request: Request) -> Response:
        """Whether the caller can be paid, and what stands in the way."""
        return Response(render_account(payees.shown(self.caller.user_id)))

    def post(self, request: Request) -> Response:
        """Make the account, if there is none, and a link to set it up."""
        country = self.body(AccountInput)["country"]
        made = payees.set_up(user_id=self.caller.user_id, country=country)
        return Response({**render_account(made.account), "url": made.url}, status=201)


def render_all(rows: list[Payout]) -> list[dict[str, Any]]:
    """Payouts, each with what its last told step says."""
    steps: dict[UUID, list[PayoutEvent]] = {}
    for step in PayoutEvent.objects.filter(payout__in=rows, kind__in=_TOLD).order_by("id"):
        steps.setdefault(step.payout_id, []).append(step)
    return [render(row, steps.get(row.pk, [])) for row in rows]


def render(row: Payout, steps: list[PayoutEvent]) -> dict[str, Any]:
    """A payout as its worker sees it."""
    here = [step for step in steps if step.to_state == row.state and _told(step)]
    return {
        "id": str(row.pk),
        "state": row.state,
        "amount": money(row.amount_micros, row.currency),
        "reason_code": row.reason_code or None,
        "reason": _told(here[-1]) if here else None,
        "transfer": row.transfer_id,
        "created_at": row.created_at,
        "state_changed_at": row.state_changed_at,
        "sent_at": row.sent_at,
        "paid_at": row.paid_at,
    }


def render_account(row: ConnectedAccount | None) -> dict[str, Any]:
    """An account as its owner sees it."""
    obstacles = payees.blockers(row)
    return {
        "is_ready": not obstacles,
        "blockers": [{"code": one.code, "says": one.says} for one in obstacles],
        "country": None if row is None else row.country,
        "bank": None if row is None else row.bank_label or None,
        "checked_at": None if row is None else row.checked_at,
    }


def _told(step: PayoutEvent) -> str | None:
    return step.reason or None if step.kind in _TOLD else None
