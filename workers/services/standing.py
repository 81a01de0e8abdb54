"""What speaks for and against a worker, read at once for any number of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from core import clock, errors
from core.models import Membership
from workers.models import Grant, SkillRecord, Worker


class NotAWorker(errors.Forbidden):
    """The caller has an account but did not become a worker yet."""

    code = "not_a_worker"


@dataclass(frozen=True)
class Standing:
    """A worker with what claims depend on: suspensions by specialty (with the reason), the
    organizations the worker is a member of, the qualifications held now.
    """

    worker: Worker
    records: Mapping[str, SkillRecord]
    organizations: frozenset[UUID]
    grants: Mapping[UUID, Grant]

    def speaks(self, languages: Sequence[str]) -> bool:
        """Whether a job in these languages suits the worker; one that names none suits everybody.

        Who speaks ``pt-BR`` suits a job in ``pt``.
        """
        own = {one for tag in self.worker.languages for one in (tag, tag.partition("-")[0])}
        return not languages or not own.isdisjoint(languages)

    def suspension(self, specialty: str) -> str:
        """Why the worker may not work in a specialty; empty when they may."""
        record = self.records.get(specialty)
        return record.suspended_reason if record is not None and record.is_suspended else ""


def read(worker_id: UUID) -> Standing:
    """A worker's standing, in five statements. Raises NotAWorker."""
    worker = Worker.objects.filter(pk=worker_id).first()
    if worker is None:
        raise NotAWorker("Become a worker first: POST /api/v1/worker.")
    records = {row.specialty: row for row in SkillRecord.objects.filter(worker_id=worker_id)}
    member_of = Membership.objects.filter(user_id=worker_id)
    held = Grant.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=clock.now()), worker_id=worker_id, revoked_at=None
    )
    return Standing(
        worker=worker,
        records=records,
        organizations=frozenset(member_of.values_list("organization_id", flat=True)),
        grants={grant.qualification_id: grant for grant in held},
    )
