"""People and the organizations they act for."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from core import clock, errors
from core.models import Membership, Organization, User

NAME_CAP = 200

log = structlog.get_logger()


class EmailTaken(errors.Conflict):
    """Somebody has that address already."""

    code = "email_taken"


class LastOwner(errors.Conflict):
    """An organization keeps at least one owner."""

    code = "last_owner"


def create_user(*, email: str, password: str | None, name: str = "") -> User:
    """Make a person. Without a password nobody can log in as them.

    Raises Invalid for a bad address or a weak password, EmailTaken.
    """
    address = email.strip().lower()
    problems: dict[str, list[str]] = {}
    try:
        validate_email(address)
    except ValidationError as error:
        problems["email"] = list(error.messages)
    made = User(email=address, name=name.strip()[:NAME_CAP])
    if password is not None:
        try:
            validate_password(password, made)
        except ValidationError as error:
            problems["password"] = list(error.messages)
    if problems:
        raise errors.Invalid("The account cannot be made like that.", errors=problems)
    made.set_password(password)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError as error:
        raise EmailTaken("There is an account with this address already.") from error
    return made


def create_organization(*, name: str, by: UUID) -> Organization:
    """Make an organization; its maker is its owner. Raises Invalid."""
    shown = name.strip()
    if not shown or len(shown) > NAME_CAP:
        raise errors.Invalid(
            "The organization needs a name.", errors={"name": [f"1 to {NAME_CAP} characters."]}
        )
    with transaction.atomic():
        now = clock.now()
        made = Organization.objects.create(name=shown, created_at=now)
        Membership.objects.create(
            organization=made, user_id=by, role=Membership.Role.OWNER, created_at=now
        )
        return made


def set_member(*, organization_id: UUID, email: str, role: str, by: UUID) -> Membership:
    """Give a person a role in an organization, or another one. Doing so twice is as once.

    Raises Invalid (no such person or role), NotFound, LastOwner.
    """
    _check_role(role)
    user = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if user is None:
        raise errors.Invalid(
            "Nobody has this address.", errors={"email": ["They need an account first."]}
        )
    with transaction.atomic():
        members = _locked(organization_id)
        row = members.get(user.pk)
        if row is None:
            row = Membership.objects.create(
                organization_id=organization_id, user=user, role=role, created_at=clock.now()
            )
        else:
            _change(members, row, role)
    _tell("member_set", row, by)
    return row


def change_role(*, organization_id: UUID, user_id: UUID, role: str, by: UUID) -> Membership:
    """Give a member another role. Whoever was removed meanwhile stays so.

    Raises Invalid (no such role), NotFound, LastOwner.
    """
    _check_role(role)
    with transaction.atomic():
        members = _locked(organization_id)
        row = _of(members, user_id)
        _change(members, row, role)
    _tell("member_set", row, by)
    return row


def remove_member(*, organization_id: UUID, user_id: UUID, by: UUID) -> None:
    """Take a person out of an organization; their tokens for it stop working at once.

    Raises NotFound, LastOwner.
    """
    with transaction.atomic():
        members = _locked(organization_id)
        row = _of(members, user_id)
        _require_another_owner(members, row)
        Membership.objects.filter(pk=row.pk).delete()
    _tell("member_removed", row, by)


def _check_role(role: str) -> None:
    if role not in Membership.Role.values:
        raise errors.Invalid(
            "There is no such role.", errors={"role": [f"One of: {', '.join(Membership.Role)}."]}
        )


def _change(members: dict[UUID, Membership], row: Membership, role: str) -> None:
    if role != Membership.Role.OWNER:
        _require_another_owner(members, row)
    row.role = role
    row.save(update_fields=["role"])


def _of(members: dict[UUID, Membership], user_id: UUID) -> Membership:
    row = members.get(user_id)
    if row is None:
        raise errors.NotFound("There is no such member.")
    return row


def _tell(event: str, row: Membership, by: UUID) -> None:
    """Who lets whom in or out stands in the log."""
    log.info(
        event,
        organization=str(row.organization_id),
        user=str(row.user_id),
        role=row.role,
        by=str(by),
    )


def _locked(organization_id: UUID) -> dict[UUID, Membership]:
    """The organization's members; its row is locked, so that two owners cannot leave at once."""
    found = Organization.objects.select_for_update().filter(pk=organization_id).first()
    if found is None:
        raise errors.NotFound("There is no such organization.")
    rows = Membership.objects.filter(organization=found).select_related("user")
    return {row.user_id: row for row in rows}


def _require_another_owner(members: dict[UUID, Membership], row: Membership) -> None:
    """Whoever is not active cannot log in, so they own nothing that somebody could rely on."""
    has_other = any(
        one.role == Membership.Role.OWNER and one.user.is_active and one.user_id != row.user_id
        for one in members.values()
    )
    if row.role == Membership.Role.OWNER and not has_other:
        raise LastOwner("Make somebody else an owner first.")
