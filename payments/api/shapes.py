"""Shapes of the answers, for the OpenAPI document."""

from __future__ import annotations

from rest_framework import serializers

from payments.models import Earning, Payout, Topup


class MoneyShape(serializers.Serializer):
    """Whole micro-units, and text for people."""

    amount_micros = serializers.IntegerField()
    currency = serializers.CharField()
    display = serializers.CharField()


class ReservedShape(serializers.Serializer):
    """What the jobs hold: by what it is reserved for, and ``free`` for more of their work."""

    total = MoneyShape()
    work = MoneyShape()
    gold = MoneyShape()
    exam = MoneyShape()
    escalation = MoneyShape()
    contested = MoneyShape()
    free = MoneyShape()


class WalletShape(serializers.Serializer):
    """``balance`` can be spent on jobs; ``reserved`` already is."""

    currency = serializers.CharField()
    balance = MoneyShape()
    reserved = ReservedShape()


class TopupShape(serializers.Serializer):
    """``url`` is the page to pay at, while there is one."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(Topup.State.choices)
    amount = MoneyShape()
    url = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)


class BucketsShape(serializers.Serializer):
    """``pending`` is within its hold, ``available`` can be withdrawn, ``in_flight`` is being paid
    out, ``held`` is under investigation.
    """

    pending = MoneyShape()
    available = MoneyShape()
    in_flight = MoneyShape()
    held = MoneyShape()


class EarningShape(serializers.Serializer):
    """Pay for one accepted answer."""

    id = serializers.UUIDField()
    assignment = serializers.UUIDField()
    job = serializers.UUIDField()
    amount = MoneyShape()
    state = serializers.ChoiceField(Earning.State.choices)
    available_at = serializers.DateTimeField()
    hold_reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class EarningsPage(serializers.Serializer):
    """One page of lines, newest first, under the sums of all of them."""

    currency = serializers.CharField()
    buckets = BucketsShape()
    data = EarningShape(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class LegShape(serializers.Serializer):
    """Debits are positive."""

    account = serializers.CharField()
    amount = MoneyShape()


class LedgerTransactionShape(serializers.Serializer):
    """What was booked."""

    id = serializers.UUIDField()
    key = serializers.CharField()
    created_at = serializers.DateTimeField()
    legs = LegShape(many=True)


class ReceiptShape(EarningShape):
    """How a pay came about: ``quote`` has every factor, ``explanation`` says it in a line."""

    fee = MoneyShape()
    line = serializers.CharField()
    released_at = serializers.DateTimeField(allow_null=True)
    explanation = serializers.CharField()
    quote = serializers.JSONField()
    transaction = LedgerTransactionShape()


class PayoutShape(serializers.Serializer):
    """``reason`` says in words why a payout stands where it is, where there is something to say."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(Payout.State.choices)
    amount = MoneyShape()
    reason_code = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    transfer = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    state_changed_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)


class StepShape(serializers.Serializer):
    """One step of a payout."""

    at = serializers.DateTimeField()
    state = serializers.ChoiceField(Payout.State.choices)
    reason = serializers.CharField(allow_null=True)


class PayoutDetailShape(PayoutShape):
    """A payout with its history."""

    history = StepShape(many=True)


class BlockerShape(serializers.Serializer):
    """One thing that is left to do."""

    code = serializers.CharField()
    says = serializers.CharField()


class PayoutAccountShape(serializers.Serializer):
    """``is_ready`` when nothing is left to do; ``blockers`` says what is."""

    is_ready = serializers.BooleanField()
    blockers = BlockerShape(many=True)
    country = serializers.CharField(allow_null=True)
    bank = serializers.CharField(allow_null=True)
    checked_at = serializers.DateTimeField(allow_null=True)


class SetUpShape(PayoutAccountShape):
    """``url`` is the page where the account is set up; it is good once, and for minutes."""

    url = serializers.CharField()


class ReceivedShape(serializers.Serializer):
    """The notice is kept."""

    received = serializers.BooleanField()
