"""Shapes of the answers, for the OpenAPI document; the hot path does not serialise with them."""

from __future__ import annotations

from rest_framework import serializers


class MoneyShape(serializers.Serializer):
    """An amount."""

    amount_micros = serializers.IntegerField()
    currency = serializers.CharField()
    display = serializers.CharField()


class InterfaceShape(serializers.Serializer):
    """What is asked, and how an answer looks."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    version = serializers.IntegerField()
    spec = serializers.JSONField()


class TaskShape(serializers.Serializer):
    """What is to be labeled."""

    id = serializers.UUIDField()
    data = serializers.JSONField()  # type: ignore[assignment]
    media = serializers.JSONField()
    interface = InterfaceShape()


class QuoteShape(serializers.Serializer):
    """Frozen at the claim; numbers that are not whole are strings. ``explanation`` is the same in
    words: from the work and its price to the pay.
    """

    currency = serializers.CharField()
    guaranteed = MoneyShape()
    bonus_up_to = MoneyShape()
    units = serializers.CharField()
    unit_price_micros = serializers.CharField()
    tier = serializers.CharField()
    tier_lower_bound = serializers.CharField(allow_null=True)
    specialty_factor = serializers.CharField()
    floor_per_hour = MoneyShape()
    seconds_per_unit = serializers.CharField()
    card_version = serializers.IntegerField()
    explanation = serializers.CharField()


class ClaimBody(serializers.Serializer):
    """A claimed task, its frozen quote and its deadline."""

    id = serializers.UUIDField()
    job = serializers.UUIDField()
    task = TaskShape()
    quote = QuoteShape()
    draft = serializers.JSONField(allow_null=True)
    draft_version = serializers.IntegerField()
    expires_at = serializers.DateTimeField()
    server_time = serializers.DateTimeField()


class SubmittedBody(serializers.Serializer):
    """``next``, ``retry_after`` and ``remaining`` only with ``?next=1``; where there can be no next
    task, ``next_refused`` is the code of the reason.
    """

    id = serializers.UUIDField()
    state = serializers.CharField()
    is_late = serializers.BooleanField()
    quote = QuoteShape()
    next = ClaimBody(required=False, allow_null=True)
    retry_after = serializers.IntegerField(required=False)
    remaining = serializers.ChoiceField(choices=["some", "none"], required=False)
    next_refused = serializers.CharField(required=False)


class AssignmentBody(serializers.Serializer):
    """A claim after something was done with it."""

    id = serializers.UUIDField()
    state = serializers.CharField()
    expires_at = serializers.DateTimeField()
    extensions = serializers.IntegerField()
    draft_version = serializers.IntegerField()


class SkillShape(serializers.Serializer):
    """What the checks say in one specialty. ``checks_missing`` right answers to checks more would
    reach the next tier.
    """

    specialty = serializers.CharField()
    checks = serializers.IntegerField()
    lower_bound = serializers.FloatField(allow_null=True)
    tier = serializers.CharField()
    next_tier = serializers.CharField(allow_null=True)
    checks_missing = serializers.IntegerField(allow_null=True)
    is_suspended = serializers.BooleanField()
    suspended_reason = serializers.CharField(allow_null=True)


class WorkerBody(serializers.Serializer):
    """The caller as a worker."""

    id = serializers.UUIDField()
    languages = serializers.ListField(child=serializers.CharField())
    specialties = serializers.ListField(child=serializers.CharField())
    country = serializers.CharField(allow_blank=True)
    joined_at = serializers.DateTimeField()
    accepted = serializers.IntegerField()
    is_suspended = serializers.BooleanField()
    suspended_reason = serializers.CharField(allow_null=True)
    skills = SkillShape(many=True)


class RewardShape(serializers.Serializer):
    """Pay of a task of the usual size at the caller's tier."""

    guaranteed = MoneyShape()
    bonus_up_to = MoneyShape()
    unit = serializers.CharField()
    units = serializers.CharField()
    unit_price_micros = serializers.CharField()
    tier = serializers.CharField()
    floor_per_hour = MoneyShape()


class MissingShape(serializers.Serializer):
    """A qualification that stands between the caller and a job."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=["have", "can_take", "locked"])
    reason = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)
    available_at = serializers.DateTimeField(allow_null=True)


class AccessShape(serializers.Serializer):
    """Whether the caller may claim: `have`, `can_take` (an exam stands between) or `locked`."""

    state = serializers.ChoiceField(choices=["have", "can_take", "locked"])
    reason = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)
    missing = MissingShape(many=True)


class RequesterShape(serializers.Serializer):
    """Whose job it is."""

    name = serializers.CharField()


class ListingBody(serializers.Serializer):
    """A job in the feed. Pace and hourly pay were measured over ``sample`` accepted answers, or are
    the requester's word.
    """

    id = serializers.UUIDField()
    name = serializers.CharField()
    requester = RequesterShape()
    specialty = serializers.CharField()
    kind = serializers.CharField()
    languages = serializers.ListField(child=serializers.CharField())
    suits_languages = serializers.BooleanField()
    sandbox = serializers.BooleanField()
    reward = RewardShape()
    median_minutes = serializers.FloatField()
    hourly = MoneyShape()
    is_measured = serializers.BooleanField()
    sample = serializers.IntegerField()
    tasks_left = serializers.IntegerField()
    time_limit_seconds = serializers.IntegerField()
    acceptance = serializers.CharField()
    review_days = serializers.IntegerField(allow_null=True)
    access = AccessShape()


class ListingInFullBody(ListingBody):
    """With instructions and interface."""

    state = serializers.CharField()
    instructions = serializers.CharField(allow_blank=True)
    interface = InterfaceShape()


class HoldingBody(MissingShape):
    """A qualification and where the caller stands with it; ``attempt`` is the open one."""

    description = serializers.CharField(allow_blank=True)
    specialty = serializers.CharField()
    questions = serializers.IntegerField()
    pass_mark = serializers.FloatField()
    retry_days = serializers.IntegerField()
    valid_days = serializers.IntegerField(allow_null=True)
    granted_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    attempt = serializers.UUIDField(allow_null=True)


class FeedbackShape(serializers.Serializer):
    """A graded answer: the right one, and why it is right."""

    question = serializers.IntegerField()
    grade = serializers.FloatField()
    right_answer = serializers.JSONField()
    explanation = serializers.CharField(allow_blank=True)


class QuestionShape(serializers.Serializer):
    """The question that is asked now."""

    number = serializers.IntegerField()
    instructions = serializers.CharField(allow_blank=True)
    task = TaskShape()


class AttemptBody(serializers.Serializer):
    """One try at an exam. ``expires_at`` is the grant's, ``retry_at`` when the next try may begin."""

    id = serializers.UUIDField()
    qualification = serializers.UUIDField()
    state = serializers.ChoiceField(choices=["open", "passed", "failed", "abandoned"])
    questions = serializers.IntegerField()
    answered = FeedbackShape(many=True)
    question = QuestionShape(allow_null=True)
    score = serializers.FloatField(allow_null=True)
    pass_mark = serializers.FloatField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    retry_at = serializers.DateTimeField(allow_null=True)


class AnsweredBody(serializers.Serializer):
    """Feedback on the answer, and the attempt with its next question."""

    feedback = FeedbackShape()
    attempt = AttemptBody()


class JobNameShape(serializers.Serializer):
    """A job by name."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class RejectionShape(serializers.Serializer):
    """Why an answer was rejected, and until when that can be contested."""

    reason = serializers.CharField()
    evidence = serializers.CharField(allow_blank=True)
    contest_until = serializers.DateTimeField(allow_null=True)


class OwnAssignmentBody(serializers.Serializer):
    """An assignment of the caller's."""

    id = serializers.UUIDField()
    job = JobNameShape()
    task = serializers.UUIDField()
    state = serializers.CharField()
    is_late = serializers.BooleanField()
    quote = QuoteShape()
    claimed_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    extensions = serializers.IntegerField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    undo_until = serializers.DateTimeField(allow_null=True)
    accepted_at = serializers.DateTimeField(allow_null=True)
    rejection = RejectionShape(allow_null=True)
    draft_version = serializers.IntegerField()


class OwnAssignmentInFullBody(OwnAssignmentBody):
    """With the task, the draft and the answer."""

    task = TaskShape()  # type: ignore[assignment]
    instructions = serializers.CharField(allow_blank=True)
    draft = serializers.JSONField(allow_null=True)
    answer = serializers.JSONField(allow_null=True)
