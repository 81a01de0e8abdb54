"""Becoming a worker."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from core import clock, errors
from workers.models import Worker

from . import profiles


class AlreadyAWorker(errors.Conflict):
    """The caller is a worker, with another profile; a profile is changed, not made twice."""

    code = "already_a_worker"


def become_worker(
    *, user_id: UUID, languages: Sequence[str], specialties: Sequence[str], country: str
) -> Worker:
    """Make a worker of an account. Doing so again with the same facts changes nothing. ``languages`` are tags such as ``pt-BR``,
    ``country`` two capital letters or empty. Raises Invalid naming each field, AlreadyAWorker.
    """
    facts = profiles.checked(
        {"languages": languages, "specialties": specialties, "country": country}
    )
    with transaction.atomic():
        row, made = Worker.objects.get_or_create(
            user_id=user_id, defaults={**facts, "joined_at": clock.now()}
        )
        if not made and any(getattr(row, name) != value for name, value in facts.items()):
            raise AlreadyAWorker("You are a worker already; change your profile instead.")
        return row
