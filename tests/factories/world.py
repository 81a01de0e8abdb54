"""A small market in which every kind of row exists twice: the callers' own, and somebody else's."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import numpy as np
import soundfile

from core import clock
from core.models import ApiToken, User
from core.services import accounts, tokens
from marketplace.imports.lines import Record
from marketplace.models import WebhookDelivery
from marketplace.services import exports, gold, jobs, media, opening, qualifications, webhooks
from payments.services import earnings, payouts, wallets
from tests.factories import marketplace as make
from tests.factories import push
from tests.factories import workers as labour
from workers.models import Assignment
from workers.services import exams

#: An hour's pay, so that one answer is enough for a payout.
DEAR = 40_000_000


@dataclass
class Side:
    """A requester with its people, and a worker: ids by the names that the routes give them."""

    requester: make.Requester
    worker: labour.Person
    tokens: dict[str, str] = field(default_factory=dict)
    ids: dict[str, UUID] = field(default_factory=dict)


@dataclass
class World:
    """Two sides that know nothing of each other, and somebody of the site's staff."""

    ours: Side
    theirs: Side
    staff: str


def build() -> World:
    """Make both sides. Rows that time moves (payouts) come first, then the clock stands still."""
    sides = [_money(), _money()]
    clock.shift(timedelta(days=9))
    earnings.release_matured()
    for side in sides:
        side.ids["payout"] = payouts.request(worker_id=side.worker.id, by=side.worker.id).pk
        _people(side)
        _data(side)
        _labour(side)
    admin = accounts.create_user(email="staff@example.org", password=None)
    User.objects.filter(pk=admin.pk).update(is_staff=True)
    staff = tokens.issue(user_id=admin.pk, organization_id=None, name="staff")
    return World(*sides, staff.text)


def _money() -> Side:
    """A requester that paid a worker for an answer."""
    whose, worker = labour.prepaid(credit_micros=100 * make.ENOUGH), labour.person()
    job = make.live(1, whose=whose, sandbox=False, base_rate_micros=DEAR, undo_seconds=0)
    row = labour.answered(job, worker)
    labour.judge_all()
    labour.settle_all()
    assert Assignment.objects.get(pk=row.pk).state == Assignment.State.ACCEPTED
    return Side(whose, worker)


def _people(side: Side) -> None:
    whose = side.requester
    side.ids["topup"] = wallets.start_topup(
        organization_id=whose.organization_id,
        amount_micros=DEAR,
        currency="XTS",
        by=whose.user_id,
        key="world",
    ).pk
    side.ids["organization"] = whose.organization_id
    for role in ("manager", "viewer"):
        user = accounts.create_user(
            email=f"{role}-{whose.organization_id}@example.org", password=None
        )
        accounts.set_member(
            organization_id=whose.organization_id, email=user.email, role=role, by=whose.user_id
        )
        side.tokens[role] = _token(user.pk, whose.organization_id)
    # Members may take themselves out: the one that the matrix is about calls nobody.
    email = f"third-{whose.organization_id}@example.org"
    side.ids["user"] = accounts.create_user(email=email, password=None).pk
    accounts.set_member(
        organization_id=whose.organization_id, email=email, role="viewer", by=whose.user_id
    )
    side.tokens["owner"] = _token(whose.user_id, whose.organization_id)
    side.tokens["worker"] = side.worker.token
    side.ids["token"] = _token_id(side.tokens["owner"])


def _token(user_id: UUID, organization_id: UUID | None, scopes: list[str] | None = None) -> str:
    return tokens.issue(
        user_id=user_id, organization_id=organization_id, name="trial", scopes=scopes
    ).text


def _token_id(text: str) -> UUID:
    return ApiToken.objects.get(digest=tokens.digest(text)).pk


def _data(side: Side) -> None:
    whose = side.requester
    job = make.live(8, whose=whose, sandbox=False, acceptance="review", undo_seconds=0, priority=9)
    side.ids["job"] = job.pk
    side.ids["task"] = make.work(job)[-1].pk
    side.ids["export"] = exports.create(job=job, format_name="jsonl", by=whose.user_id).pk
    endpoint = webhooks.create(
        organization_id=whose.organization_id,
        url="https://hooks.example.org/in",
        events=None,
        by=whose.user_id,
    )
    side.ids["endpoint"] = endpoint.pk
    webhooks.queue(
        organization_id=whose.organization_id,
        event_type="job.launched",
        payloads=[{"job": str(job.pk)}],
    )
    side.ids["delivery"] = WebhookDelivery.objects.get(endpoint=endpoint).pk
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros(8000, dtype="float32"), 8000, format="WAV")
    side.ids["media"] = media.upload(
        organization_id=whose.organization_id, chunks=[sound.getvalue()], by=whose.user_id
    ).pk
    exam = make.draft(whose, purpose="exam", sandbox=False)
    gold.add(
        job=exam,
        records=[
            Record(n, {"external_id": f"q{n}", "data": {"text": f"{n}"}, "answer": labour.YES})
            for n in range(1, 4)
        ],
        by=whose.user_id,
    )
    jobs.launch(job=exam, budget_micros=0, by=whose.user_id)
    side.ids["qualification"] = qualifications.create(
        organization_id=whose.organization_id,
        name="Reading",
        exam_job_id=exam.pk,
        questions=3,
        by=whose.user_id,
    ).pk


def _labour(side: Side) -> None:
    """Of the worker: a live claim, answers to review, one rejected and contested, an offer."""
    from payments.models import Earning
    from workers.services import contests, reviews

    job = jobs.Job.objects.get(pk=side.ids["job"])
    who = side.worker
    opening.open_parked()
    answered = [labour.answered(job, who) for _ in range(2)]
    labour.judge_all()
    reviews.reject(
        organization_id=job.organization_id,
        assignment_id=answered[0].pk,
        reason="clearly_wrong",
        evidence="It says so in line one.",
        by=side.requester.user_id,
    )
    contest = contests.contest(
        assignment_id=answered[0].pk, worker_id=who.id, statement="It is right: see line two."
    )
    side.ids["contest"] = contest.pk
    side.ids["review"] = answered[1].pk
    attempt, _ = exams.start(qualification_id=side.ids["qualification"], worker_id=who.id)
    side.ids["attempt"] = attempt.pk
    push.wait(who)
    offers = [one for one in push.dispatched() if one.worker_id == who.id]
    side.ids["offer"] = offers[0].pk
    other = make.live(2, whose=side.requester, sandbox=False, undo_seconds=0)
    side.ids["assignment"] = labour.claimed(other, who)["id"]
    side.ids["earning"] = Earning.objects.filter(worker_id=who.id).earliest("id").pk
