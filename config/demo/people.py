"""The people of the demo: who they are, how well they work, and how they log in."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from core.models import Membership, Organization, User
from core.services import accounts
from workers.services import onboarding

PASSWORD = "piecework-demo-46"  # noqa: S105 - a demo on one's own machine
ORGANIZATION = "Meadow Research"


@dataclass(frozen=True)
class Worker:
    """A worker: how often they are right, and how many answers they have given in each job."""

    id: UUID
    name: str
    skill: float
    diligence: int


@dataclass(frozen=True)
class Cast:
    """Everybody."""

    admin: UUID
    reviewer: UUID
    owner: UUID
    manager: UUID
    organization: UUID
    workers: list[Worker]


# Name, language, country, how often right, answers in each job.
_WORKERS = [
    ("Amara Okafor", "en", "US", 0.97, 110),
    ("Bruno Keller", "de", "DE", 0.95, 105),
    ("Chiara Conti", "it", "IT", 0.93, 100),
    ("Dmitri Volkov", "en", "US", 0.90, 60),
    ("Elif Demir", "en", "US", 0.88, 30),
    ("Farid Haddad", "fr", "FR", 0.85, 25),
    ("Grace Lim", "en", "US", 0.92, 20),
    ("Hugo Martin", "fr", "FR", 0.80, 15),
    ("Ines Duarte", "pt", "PT", 0.75, 12),
    ("Jonas Berg", "en", "US", 0.45, 30),
    ("Kaori Sato", "ja", "JP", 0.94, 8),
    ("Leo Novak", "cs", "CZ", 0.90, 0),
]
_STAFF = [("admin", "Ada Admin", True), ("reviewer", "Rita Reviewer", True)]


def email(name: str) -> str:
    """The address that somebody of the demo logs in with."""
    return f"{name.split(maxsplit=1)[0].lower()}@demo.invalid"


def gather() -> Cast:
    """Everybody, made where they are missing. Twice is as once."""
    with transaction.atomic():
        staff = {role: _staff(role, name) for role, name, _ in _STAFF}
        owner = _person("Olivia Owner", "owner@demo.invalid")
        manager = _person("Max Manager", "manager@demo.invalid")
        organization = _organization(owner)
        if not Membership.objects.filter(organization=organization, user=manager).exists():
            accounts.set_member(
                organization_id=organization.pk, email=manager.email, role="manager", by=owner.pk
            )
        workers = [_worker(*facts) for facts in _WORKERS]
    return Cast(staff["admin"], staff["reviewer"], owner.pk, manager.pk, organization.pk, workers)


def _person(name: str, address: str) -> User:
    found = User.objects.filter(email=address).first()
    return found or accounts.create_user(email=address, password=PASSWORD, name=name)


def _staff(role: str, name: str) -> UUID:
    made = _person(name, f"{role}@demo.invalid")
    if not made.is_superuser:
        made.is_staff = made.is_superuser = True
        made.save(update_fields=["is_staff", "is_superuser"])
    return made.pk


def _organization(owner: User) -> Organization:
    found = Membership.objects.filter(user=owner).select_related("organization").first()
    if found is not None:
        return found.organization
    return accounts.create_organization(name=ORGANIZATION, by=owner.pk)


def _worker(name: str, language: str, country: str, skill: float, diligence: int) -> Worker:
    user = _person(name, email(name))
    onboarding.become_worker(
        user_id=user.pk,
        languages=list(dict.fromkeys(["en", language])),
        specialties=["text", "image", "transcription"],
        country=country,
    )
    return Worker(user.pk, name, skill, diligence)


def log_ins() -> list[str]:
    """Who can log in as what."""
    return [
        f"Log in with the password {PASSWORD}",
        "  admin@demo.invalid, reviewer@demo.invalid   administration, payouts to review",
        "  owner@demo.invalid, manager@demo.invalid    the requester Meadow Research",
        "  amara@demo.invalid, leo@demo.invalid        a proven worker, a new one",
    ]
