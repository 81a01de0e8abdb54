"""Shapes of the answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class MoneyShape(serializers.Serializer):
    """An amount: a millionth of the currency's unit, and how to show it."""

    amount_micros = serializers.IntegerField()
    currency = serializers.CharField()
    display = serializers.CharField()


class InterfaceShape(serializers.Serializer):
    """What a worker is asked: the kind, its spec, and which version that is."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    version = serializers.IntegerField()
    spec = serializers.JSONField()


class ProgressShape(serializers.Serializer):
    """Tasks of work by state, a few seconds old; ``gold`` counts tasks with known answers."""

    total = serializers.IntegerField()
    parked = serializers.IntegerField()
    open = serializers.IntegerField()
    escalated = serializers.IntegerField()
    resolved = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    gold = serializers.IntegerField()


class BudgetShape(serializers.Serializer):
    """``balance`` is what the job still holds, ``free`` the part of it that is not reserved."""

    balance = MoneyShape()
    free = MoneyShape()
    spent = MoneyShape()
    fees = MoneyShape()


class JobShape(serializers.Serializer):
    """A job; numbers that are not whole are strings."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    state = serializers.CharField()
    state_reason = serializers.CharField(allow_null=True)
    instructions = serializers.CharField()
    interface = InterfaceShape()
    purpose = serializers.CharField()
    specialty = serializers.CharField()
    unit = serializers.CharField()
    base_rate = MoneyShape()
    seconds_per_unit = serializers.CharField()
    difficulty = serializers.CharField()
    bonus_pct = serializers.CharField()
    acceptance = serializers.CharField()
    review_days = serializers.IntegerField()
    time_limit_seconds = serializers.IntegerField()
    undo_seconds = serializers.IntegerField()
    required_qualifications = serializers.ListField(child=serializers.UUIDField())
    languages = serializers.ListField(child=serializers.CharField())
    priority = serializers.IntegerField()
    sandbox = serializers.BooleanField()
    allow_ahead = serializers.BooleanField()
    auto_close = serializers.BooleanField()
    quality = serializers.JSONField()
    budget_alert = serializers.CharField(allow_null=True)
    budget = BudgetShape(allow_null=True)
    progress = ProgressShape()
    created_at = serializers.DateTimeField()
    launched_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)


class CostShape(serializers.Serializer):
    """The fee is on top of the pay."""

    pay = MoneyShape()
    fee = MoneyShape()
    total = MoneyShape()


class PerAnswerShape(serializers.Serializer):
    """Of the mean task: for a worker without a tier, and for one of the top tier."""

    lowest = CostShape()
    highest = CostShape()


class QuoteShape(serializers.Serializer):
    """``expected`` at the usual number of answers, ``maximum`` when every slot is used."""

    tasks = serializers.IntegerField()
    units = serializers.CharField()
    answers_expected = serializers.CharField()
    answers_max = serializers.IntegerField()
    gold_share = serializers.CharField()
    per_answer = PerAnswerShape()
    expected = CostShape()
    maximum = CostShape()
    gold_part = CostShape()
    hourly = MoneyShape()
    floor_per_hour = MoneyShape()
    seconds_per_task = serializers.CharField()
    seconds_are_measured = serializers.BooleanField()
    worker_hours = serializers.CharField()
    budget_minimum = MoneyShape()
    budget_suggested = MoneyShape()
    card_version = serializers.IntegerField()


class RejectedShape(serializers.Serializer):
    """A row that was not taken, by its line in the file."""

    row = serializers.IntegerField()
    errors: Any = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))


class ImportShape(serializers.Serializer):
    """``rejected`` lists at most 1000 rows; ``rejected_total`` counts them all."""

    created = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = RejectedShape(many=True)
    rejected_total = serializers.IntegerField()


class PredictionsShape(serializers.Serializer):
    """``replaced``: there was one of that model version; ``rejected`` as for an import."""

    created = serializers.IntegerField()
    replaced = serializers.IntegerField()
    rejected = RejectedShape(many=True)
    rejected_total = serializers.IntegerField()


class ResolutionShape(serializers.Serializer):
    """What was concluded; of an escalated task the best answer so far."""

    value = serializers.JSONField(allow_null=True)
    confidence = serializers.FloatField(allow_null=True)
    rule = serializers.CharField()
    answers = serializers.IntegerField()
    round = serializers.IntegerField()
    escalated = serializers.BooleanField()
    resolved_at = serializers.DateTimeField()


class TaskShape(serializers.Serializer):
    """``wanted`` answers are asked for, ``taken`` of them are claimed or given."""

    id = serializers.UUIDField()
    external_id = serializers.CharField(allow_null=True)
    role = serializers.CharField()
    state = serializers.CharField()
    data: Any = serializers.JSONField()
    media = serializers.JSONField()
    units = serializers.CharField()
    wanted = serializers.IntegerField()
    taken = serializers.IntegerField()
    round = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    resolution = ResolutionShape(allow_null=True)


class GoldShape(serializers.Serializer):
    """A task with its known answer."""

    id = serializers.UUIDField()
    external_id = serializers.CharField(allow_null=True)
    data: Any = serializers.JSONField()
    media = serializers.JSONField()
    answer = serializers.JSONField()
    explanation = serializers.CharField()


class VoteShape(serializers.Serializer):
    """An answer that counted, by a worker's name within this job."""

    worker = serializers.CharField()
    answer = serializers.JSONField()
    weight = serializers.FloatField(required=False)


class ResultInterfaceShape(serializers.Serializer):
    """The interface version that the answers were given with."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    kind = serializers.CharField()


class ResultShape(serializers.Serializer):
    """What was concluded for a task and from what; ``cost`` is what was paid for it so far."""

    task = serializers.UUIDField()
    external_id = serializers.CharField(allow_null=True)
    data: Any = serializers.JSONField()
    value = serializers.JSONField(allow_null=True)
    confidence = serializers.FloatField(allow_null=True)
    rule = serializers.CharField()
    votes = VoteShape(many=True)
    escalated = serializers.BooleanField()
    state = serializers.CharField()
    round = serializers.IntegerField()
    interface = ResultInterfaceShape()
    resolved_at = serializers.DateTimeField()
    cost = MoneyShape(allow_null=True)


class ResultsPage(serializers.Serializer):
    """``next`` is null on the last page."""

    data: Any = ResultShape(many=True)
    next = serializers.CharField(allow_null=True)


class MediaShape(serializers.Serializer):
    """A file as the server measured it."""

    id = serializers.UUIDField()
    content_type = serializers.CharField()
    bytes = serializers.IntegerField()
    seconds = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class MediaLinkShape(MediaShape):
    """``url`` shows the file for a day to whoever holds it."""

    url = serializers.CharField()


class QualificationShape(serializers.Serializer):
    """``is_market``: defined by the market for everybody, not by this requester."""

    id = serializers.UUIDField()
    is_market = serializers.BooleanField()
    name = serializers.CharField()
    description = serializers.CharField()
    specialty = serializers.CharField()
    exam_job = serializers.UUIDField(allow_null=True)
    pass_mark = serializers.FloatField()
    questions = serializers.IntegerField()
    retry_days = serializers.IntegerField()
    valid_days = serializers.IntegerField(allow_null=True)
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()
