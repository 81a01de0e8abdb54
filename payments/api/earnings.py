"""A worker's pay over HTTP: sums, lines, and the receipt of each line."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import errors
from core.http.pagination import PageQuery
from core.http.serializers import money
from core.http.views import Access, ApiView
from payments import selectors
from payments.api import shapes
from payments.models import Earning
from payments.money import CURRENCIES

_READ = Access(scope="earnings", role="user")


class EarningsQuery(PageQuery):
    """Of one currency, and of one state if asked for."""

    currency = serializers.ChoiceField(sorted(CURRENCIES), required=False, default="USD")
    state = serializers.ChoiceField(Earning.State.choices, required=False)


class EarningsView(ApiView):
    """What the caller earned."""

    access = {"GET": _READ}
    queries = {"GET": EarningsQuery}
    responses = {"GET": {200: shapes.EarningsPage}}

    def get(self, request: Request) -> Response:
        """The four buckets, and the lines, newest first."""
        query = self.query(EarningsQuery)
        currency = query["currency"]
        rows = selectors.earnings_of(self.caller.user_id).filter(currency=currency)
        if "state" in query:
            rows = rows.filter(state=query["state"])
        found = selectors.buckets(self.caller.user_id, currency)
        answer = self.page(rows, render)
        answer.data = {
            "currency": currency,
            "buckets": {
                "pending": money(found.pending, currency),
                "available": money(found.available, currency),
                "in_flight": money(found.in_flight, currency),
                "held": money(found.held, currency),
            },
            **answer.data,
        }
        return answer


class EarningView(ApiView):
    """One line."""

    access = {"GET": _READ}
    responses = {"GET": {200: shapes.ReceiptShape}}

    def get(self, request: Request, earning: UUID) -> Response:
        """The receipt: every factor, the formula in a line, and the ledger transaction."""
        found = selectors.receipt(self.caller.user_id, earning)
        if found is None:
            raise errors.NotFound("There is no such earning.")
        row, booked = found.earning, found.transaction
        return Response(
            {
                **render(row),
                "fee": money(row.fee_micros, row.currency),
                "line": row.line,
                "released_at": row.released_at,
                "explanation": found.explanation,
                "quote": row.quote,
                "transaction": {
                    "id": str(booked.pk),
                    "key": booked.idem_key,
                    "created_at": booked.created_at,
                    "legs": [
                        {"account": code, "amount": money(micros, row.currency)}
                        for code, micros in found.legs
                    ],
                },
            }
        )


def render(row: Earning) -> dict[str, Any]:
    """A line as its worker sees it."""
    return {
        "id": str(row.pk),
        "assignment": str(row.assignment_ref),
        "job": str(row.job_id),
        "amount": money(row.amount_micros, row.currency),
        "state": row.state,
        "available_at": row.available_at,
        "hold_reason": row.hold_reason or None,
        "created_at": row.created_at,
    }
