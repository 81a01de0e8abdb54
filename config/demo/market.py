"""The jobs of the demo, one of each kind, an exam, and the tasks in them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from config.demo import things
from config.demo.people import Cast
from marketplace.imports import extended, rows
from marketplace.models import Job, Qualification, Task
from marketplace.services import gold, jobs, media, opening, qualifications, tasks

Row = dict[str, Any]
EXAM, SHAPES, LETTERS, TONES = (
    "Exam: shapes", "Name the shape", "What do customers say?", "Write down the tones",
)  # fmt: skip
QUALIFICATION = "Knows shapes"
#: Numbers from here on are tasks with known answers.
KNOWN = 10_000


@dataclass(frozen=True)
class Plan:
    """One job: its definition, how many tasks and known answers, how a task is made and worked on."""

    definition: Mapping[str, Any]
    tasks: int
    known: int
    row: Callable[[Cast, int], Row]
    truth: Callable[[int], dict[str, Any]]
    budget_micros: int = 0
    #: How much of the workers' diligence this job gets.
    share: float = 0.0
    #: Seconds that an answer takes.
    seconds: float = 0.0


def _options(values: Iterable[str]) -> dict[str, Any]:
    return {"options": [{"value": value, "label": value.capitalize()} for value in values]}


def _picture(cast: Cast, number: int) -> Row:
    stored = media.upload(
        organization_id=cast.organization, chunks=[things.picture(number)], by=cast.owner
    )
    return {
        "data": {"question": "Which shape is in the picture?", "number": number},
        "media": {"image": str(stored.pk)},
    }


def _sound(cast: Cast, number: int) -> Row:
    stored = media.upload(
        organization_id=cast.organization, chunks=[things.sound(number)], by=cast.owner
    )
    return {"data": {"number": number}, "media": {"audio": str(stored.pk)}}


def _letter(_cast: Cast, number: int) -> Row:
    return {"data": {"text": things.sentence(number), "number": number}}


PLANS: Mapping[str, Plan] = {
    EXAM: Plan(
        {
            "purpose": "exam",
            "instructions": "Five pictures. Say which shape each one shows.",
            "kind": "choices",
            "interface": _options(things.SHAPES),
            "specialty": "image",
            "base_rate_micros": 0,
            "seconds_per_unit": 8,
        },
        tasks=0,
        known=8,
        row=_picture,
        truth=lambda number: {"choice": things.shape(number)},
    ),
    SHAPES: Plan(
        {
            "instructions": "Look at the picture and choose the shape. Ignore the small dots.",
            "kind": "choices",
            "interface": _options(things.SHAPES),
            "specialty": "image",
            "base_rate_micros": 300_000,
            "seconds_per_unit": 20,
            "quality": {"kmin": 3, "kmax": 5, "gold_share": 0.1},
        },
        tasks=240,
        known=15,
        row=_picture,
        truth=lambda number: {"choice": things.shape(number)},
        budget_micros=400_000_000,
        share=1.0,
        seconds=16,
    ),
    LETTERS: Plan(
        {
            "instructions": "Read what the customer wrote. Is it praise, a complaint or a question?",
            "kind": "choices",
            "interface": _options(things.TOPICS),
            "specialty": "text",
            "base_rate_micros": 80_000,
            "seconds_per_unit": 10,
            "acceptance": "review",
            "review_days": 14,
            "quality": {"kmin": 2, "kmax": 4, "gold_share": 0.05},
        },
        tasks=170,
        known=10,
        row=_letter,
        truth=lambda number: {"choice": things.topic(number)},
        budget_micros=60_000_000,
        share=0.5,
        seconds=9,
    ),
    TONES: Plan(
        {
            "instructions": "Listen and write down each tone as a word: high or low.",
            "kind": "transcript",
            "interface": {"profile": "default"},
            "specialty": "transcription",
            "unit": "audio_second",
            "base_rate_micros": 20_000,
            "seconds_per_unit": 4,
            "quality": {"kmin": 2, "kmax": 4, "gold_share": 0.05},
        },
        tasks=90,
        known=8,
        row=_sound,
        truth=lambda number: {"text": " ".join(things.tones(number))},
        budget_micros=120_000_000,
        share=0.25,
        seconds=25,
    ),
}


def open_jobs(cast: Cast) -> dict[str, Job]:
    """Every job, filled and launched where it is not yet. Twice is as once."""
    made: dict[str, Job] = {}
    for name, plan in PLANS.items():
        required = [_qualification(cast, made[EXAM]).pk] if name == SHAPES else []
        made[name] = _job(cast, name, plan, required)
    return made


def _job(cast: Cast, name: str, plan: Plan, required: list[Any]) -> Job:
    job = Job.objects.filter(organization_id=cast.organization, name=name).first()
    if job is None:
        job = jobs.create_draft(
            organization_id=cast.organization,
            fields={
                "name": name, "undo_seconds": 0, "auto_close": False,
                "required_qualifications": required, **plan.definition,
            },
            by=cast.owner,
        )  # fmt: skip
    if job.state == Job.State.DRAFT:
        if plan.tasks and not Task.objects.filter(job=job, role=Task.Role.WORK).exists():
            told = _lines(
                {"external_id": f"task-{number}", **plan.row(cast, number)}
                for number in range(plan.tasks)
            )
            tasks.import_rows(job=job, rows=rows.parse(told, rows.NDJSON), by=cast.owner)
        if not Task.objects.filter(job=job).exclude(role=Task.Role.WORK).exists():
            told = _lines(
                {
                    "external_id": f"known-{number}",
                    **plan.row(cast, KNOWN + number),
                    "answer": plan.truth(KNOWN + number),
                }
                for number in range(plan.known)
            )
            gold.add(job=job, records=extended.known_answers(told, rows.NDJSON), by=cast.owner)
        job = jobs.launch(job=job, budget_micros=plan.budget_micros, by=cast.owner)
    while opening.open_job(job_id=job.pk):
        pass
    return job


def _qualification(cast: Cast, exam: Job) -> Qualification:
    found = Qualification.objects.filter(
        organization_id=cast.organization, name=QUALIFICATION
    ).first()
    return found or qualifications.create(
        organization_id=cast.organization,
        name=QUALIFICATION,
        description="Five pictures; four right answers pass.",
        exam_job_id=exam.pk,
        by=cast.owner,
    )


def _lines(made: Iterable[Row]) -> io.BytesIO:
    return io.BytesIO("\n".join(json.dumps(row) for row in made).encode())
