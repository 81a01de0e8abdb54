"""The past of the demo: exams taken, tasks answered, answers judged, reviewed and paid."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from config.demo import market, things
from config.demo.people import Cast, Worker
from core import clock, errors
from marketplace.models import Job, Qualification
from workers.models import Assignment, Grant
from workers.services import (
    claims,
    contests,
    exams,
    judging,
    places,
    reviews,
    settlement,
    submissions,
)
from workers.services.claims import Nothing

#: Answers given in between two rounds of judging, and so many rounds at most.
ROUND, ROUNDS = 5, 60
#: How much of a reviewed job everybody has done by today, for each answer in the past.
LATELY = 1.15


def live_through(cast: Cast, jobs: Mapping[str, Job]) -> None:
    """Let everybody work until each has given the answers they are meant to have. Twice is as once."""
    chance = random.Random(46)  # noqa: S311 - no secret
    for worker in cast.workers:
        if worker.diligence:
            _take_exam(worker, cast.organization, chance)
    names = (market.SHAPES, market.LETTERS, market.TONES)
    for _ in range(ROUNDS):
        done = sum(
            _answer_some(worker, jobs[name], market.PLANS[name], chance)
            for name in names
            for worker in cast.workers
        )
        _catch_up()
        if not done:
            break
    _accept(cast, jobs[market.LETTERS])
    _catch_up()


def leave_to_review(cast: Cast, jobs: Mapping[str, Job]) -> None:
    """Work of today in the job whose answers are reviewed: a few rejected, one of those contested,
    the rest awaits review. Twice is as once.
    """
    chance = random.Random(47)  # noqa: S311 - no secret
    job = jobs[market.LETTERS]
    plan = market.PLANS[market.LETTERS]
    plan = replace(plan, share=plan.share * LATELY)
    for worker in cast.workers:
        while _answer_some(worker, job, plan, chance):
            pass
    _catch_up()
    if not Assignment.objects.filter(job=job, state=Assignment.State.REJECTED).exists():
        _reject(cast, job)


def _take_exam(worker: Worker, organization: UUID, chance: random.Random) -> None:
    exam = Qualification.objects.get(organization_id=organization, name=market.QUALIFICATION)
    if Grant.objects.filter(worker_id=worker.id, qualification=exam, revoked_at=None).exists():
        return
    plan = market.PLANS[market.EXAM]
    try:
        attempt, _ = exams.start(qualification_id=exam.pk, worker_id=worker.id)
    except errors.Problem:
        return  # failed before; the next attempt has to wait
    while (now := exams.progress(attempt_id=attempt.pk, worker_id=worker.id)).question is not None:
        data = now.question.task.data
        # Whoever shall have a past passes: those who are often wrong had a good day.
        exams.answer(
            attempt_id=attempt.pk,
            worker_id=worker.id,
            number=now.question.number,
            answer=_say(plan, data, max(worker.skill, 0.97), chance),
        )


def _answer_some(worker: Worker, job: Job, plan: market.Plan, chance: random.Random) -> int:
    """A few answers of one worker in one job; how many."""
    given = Assignment.objects.filter(worker_id=worker.id, job=job).count()
    done = 0
    while given + done < worker.diligence * plan.share and done < ROUND:
        try:
            claim = claims.claim(job_id=job.pk, worker_id=worker.id)
        except errors.Problem:
            break  # not qualified, or suspended by the checks
        if isinstance(claim, Nothing):
            break
        clock.shift(timedelta(seconds=plan.seconds * chance.uniform(0.6, 1.6)))
        submissions.submit(
            loaded={
                "id": claim["id"],
                "state": Assignment.State.CLAIMED,
                "interface_id": claim["interface_id"],
                "job_id": job.pk,
                "undo_seconds": 0,
            },
            worker_id=worker.id,
            answer=_say(plan, orjson.loads(claim["data"]), worker.skill, chance),
        )
        done += 1
    return done


def _say(
    plan: market.Plan, data: Mapping[str, Any], skill: float, chance: random.Random
) -> dict[str, Any]:
    right = plan.truth(data["number"])
    if chance.random() < skill:
        return right
    if "text" in right:
        words = right["text"].split()
        at = chance.randrange(len(words))
        words[at] = "low" if words[at] == "high" else "high"
        return {"text": " ".join(words)}
    options = tuple(option["value"] for option in plan.definition["interface"]["options"])
    return {"choice": things.wrong(right["choice"], options, chance)}


def _catch_up() -> None:
    """What the sweeps would do meanwhile."""
    for sweep in (judging.judge_batch, settlement.sweep, places.refill_gold):
        for _ in range(20):
            if not sweep():
                break


def _accept(cast: Cast, job: Job) -> None:
    """All answers of the past accepted, once."""
    if Assignment.objects.filter(job=job, reviewed_at__isnull=False).exists():
        return
    reviews.accept_all(
        assignment_ids=_awaiting(cast, job), organization_id=cast.organization, by=cast.manager
    )


def _awaiting(cast: Cast, job: Job) -> list[UUID]:
    waiting = reviews.awaiting(cast.organization).filter(job=job).order_by("id")
    return list(waiting.values_list("pk", flat=True))


def _reject(cast: Cast, job: Job) -> None:
    for number, pk in enumerate(_awaiting(cast, job)[:3]):
        row = reviews.reject(
            assignment_id=pk,
            organization_id=cast.organization,
            by=cast.manager,
            reason=reviews.Reason.WRONG,
            evidence="The sentence ends with a question mark." if number else "Read it again.",
        )
        if number == 0:
            contests.contest(
                assignment_id=pk,
                worker_id=row.worker_id,
                statement="I read it again and still think that my answer is right.",
            )
