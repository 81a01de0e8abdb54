"""A requester's wallet over HTTP: what is in it, and filling it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import errors
from core.http import idempotency
from core.http.serializers import StrictInteger, StrictSerializer, money
from core.http.views import Access, ApiView
from core.ids import new_id
from payments import selectors
from payments.api import shapes
from payments.models import LINES, Topup
from payments.money import CURRENCIES, LARGEST_MICROS
from payments.services import wallets

_READ = Access(scope="wallet", role="viewer")
_FILL = Access(scope="wallet", role="manager", idempotency="external", requires_key=True)


class CurrencyQuery(StrictSerializer):
    """Real money unless play money is asked for."""

    currency = serializers.ChoiceField(sorted(CURRENCIES), required=False, default="USD")


class TopupInput(StrictSerializer):
    """Whole cents of real money; ``XTS`` is play money, there at once."""

    amount_micros = StrictInteger(min_value=1, max_value=LARGEST_MICROS)
    currency = serializers.ChoiceField(sorted(CURRENCIES))


class WalletView(ApiView):
    """The wallet of the caller's organization."""

    access = {"GET": _READ}
    queries = {"GET": CurrencyQuery}
    responses = {"GET": {200: shapes.WalletShape}}

    def get(self, request: Request) -> Response:
        """What can be spent, and what jobs have reserved."""
        organization_id = self.caller.organization_id
        assert organization_id is not None
        currency = self.query(CurrencyQuery)["currency"]
        held = selectors.reserved(organization_id, currency)
        amounts = {"total": held.total, **{line: held.lines[line] for line in LINES}}
        amounts["free"] = held.free
        return Response(
            {
                "currency": currency,
                "balance": money(wallets.balance(organization_id, currency), currency),
                "reserved": {name: money(micros, currency) for name, micros in amounts.items()},
            }
        )


class TopupList(ApiView):
    """The top-ups of the wallet."""

    access = {"GET": _READ, "POST": _FILL}
    bodies = {"POST": TopupInput}
    responses = {
        "GET": {200: shapes.TopupShape(many=True)},
        "POST": {201: shapes.TopupShape},
    }

    def get(self, request: Request) -> Response:
        """List top-ups, newest first."""
        return self.page(selectors.topups_of(self.caller.organization_id), render)

    def post(self, request: Request) -> Response:
        """Begin a top-up: pay at ``url``. Where that is still null, ask for the top-up again soon."""
        organization_id = self.caller.organization_id
        assert organization_id is not None
        given = self.body(TopupInput)
        key = idempotency.text_of(request._request) or str(new_id())
        topup = wallets.start_topup(
            organization_id=organization_id,
            by=self.caller.user_id,
            # Keys belong to a person: two members may use the same word.
            key=f"{self.caller.user_id}:{key}",
            **given,
        )
        return Response(render(topup), status=201)


class TopupDetail(ApiView):
    """One top-up."""

    access = {"GET": _READ}
    responses = {"GET": {200: shapes.TopupShape}}

    def get(self, request: Request, topup: UUID) -> Response:
        """Show a top-up."""
        found = selectors.topups_of(self.caller.organization_id).filter(pk=topup).first()
        if found is None:
            raise errors.NotFound("There is no such top-up.")
        return Response(render(found))


def render(row: Topup) -> dict[str, Any]:
    """A top-up as its requester sees it."""
    is_open = row.state == Topup.State.OPEN
    return {
        "id": str(row.pk),
        "state": row.state,
        "amount": money(row.amount_micros, row.currency),
        "url": row.checkout_url if is_open else None,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "paid_at": row.paid_at,
    }
