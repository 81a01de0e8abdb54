"""Webhook endpoints of requesters, and the outbox that their notices wait in.

Whoever changes a row that others want to hear of queues a notice in the same transaction;
`deliveries` sends what is queued.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, Func

from core import clock
from core.errors import Conflict, Invalid, NotFound
from core.models import Organization
from marketplace.gateways import outbound
from marketplace.models import WebhookDelivery, WebhookEndpoint

EVENTS = (
    "job.launched",
    "job.completed",
    "job.budget_alert",
    "task.resolved",
    "task.escalated",
    "export.done",
)
ENDPOINTS_CAP = 20
#: A notice that nobody takes is tried again for so long.
LIFE = timedelta(days=3)
#: After a rotation both secrets sign for so long.
ROTATION = timedelta(hours=24)
_BATCH = 1000


class TooManyEndpoints(Conflict):
    """The organization has as many endpoints as it may have."""

    code = "too_many_endpoints"


def queue(*, organization_id: UUID, event_type: str, payloads: Sequence[Mapping[str, Any]]) -> int:
    """Put notices into the outbox, in the caller's transaction; answer how many rows.

    Each payload is the `data` of one event. There is one row per event and endpoint that listens
    to the type; an organization without endpoints costs one look-up.
    """
    assert event_type in EVENTS, event_type
    if not payloads:
        return 0
    endpoints = list(
        WebhookEndpoint.objects.filter(
            organization_id=organization_id,
            events__contains=[event_type],
            is_enabled=True,
            deleted_at=None,
        )
        .annotate(now=Func(function="core_now", output_field=DateTimeField()))
        .values_list("id", "now")
    )
    if not endpoints:
        return 0
    now = endpoints[0][1]
    stamp = now.isoformat().replace("+00:00", "Z")
    rows = [
        WebhookDelivery(
            endpoint_id=endpoint_id,
            organization_id=organization_id,
            event_type=event_type,
            payload={"type": event_type, "timestamp": stamp, "data": dict(payload)},
            created_at=now,
            next_attempt_at=now,
            give_up_at=now + LIFE,
        )
        for payload in payloads
        for endpoint_id, _ in endpoints
    ]
    WebhookDelivery.objects.bulk_create(rows, batch_size=_BATCH)
    return len(rows)


def create(
    *,
    organization_id: UUID,
    url: str,
    events: Sequence[str] | None = None,
    description: str = "",
    by: UUID,
) -> WebhookEndpoint:
    """Make an endpoint that listens to these event types (None: all); its secret is in the row.

    Raises:
        Invalid: the address or an event type is not one we take.
        TooManyEndpoints: there are 20 already.
    """
    _check(url=url, events=events)
    with transaction.atomic():
        # The organization's row is the queue of those who add at the same time.
        Organization.objects.select_for_update(no_key=True).get(id=organization_id)
        have = WebhookEndpoint.objects.filter(organization_id=organization_id, deleted_at=None)
        if have.count() >= ENDPOINTS_CAP:
            raise TooManyEndpoints(f"An organization has at most {ENDPOINTS_CAP} endpoints.")
        now = clock.now()
        return WebhookEndpoint.objects.create(
            organization_id=organization_id,
            url=url,
            events=list(EVENTS if events is None else dict.fromkeys(events)),
            description=description,
            secret=_secret(),
            created_by_id=by,
            created_at=now,
            updated_at=now,
        )


def change(
    *,
    endpoint: WebhookEndpoint,
    by: UUID,
    url: str | None = None,
    events: Sequence[str] | None = None,
    description: str | None = None,
    is_enabled: bool | None = None,
) -> WebhookEndpoint:
    """Change what is given of an endpoint.

    While it is switched off nothing is queued for it, and what waits already goes on waiting.

    Raises:
        Invalid: the address or an event type is not one we take.
        NotFound: it was removed.
    """
    _check(url=url, events=events)
    given: dict[str, Any] = {
        "url": url,
        "events": None if events is None else list(dict.fromkeys(events)),
        "description": description,
        "is_enabled": is_enabled,
        # Switching on by hand ends what we switched off ourselves.
        "disabled_reason": "" if is_enabled else None,
    }
    with transaction.atomic():
        row = _locked(endpoint)
        return _save(row, **{name: value for name, value in given.items() if value is not None})


def rotate(*, endpoint: WebhookEndpoint, by: UUID) -> WebhookEndpoint:
    """Give an endpoint a new secret; the old one signs beside it for a day."""
    with transaction.atomic():
        row = _locked(endpoint)
        return _save(
            row,
            secret=_secret(),
            previous_secret=row.secret,
            previous_secret_until=clock.now() + ROTATION,
        )


def remove(*, endpoint: WebhookEndpoint, by: UUID) -> None:
    """Take an endpoint away: nothing is sent to it any more, its log stays in the database."""
    with transaction.atomic():
        row = _locked(endpoint)
        waiting = WebhookDelivery.objects.filter(endpoint=row, state=WebhookDelivery.State.PENDING)
        waiting.update(state=WebhookDelivery.State.FAILED, last_error="endpoint_removed")
        _save(row, is_enabled=False, deleted_at=clock.now(), secret="", previous_secret="")


def switch_off(*, endpoint_id: UUID, reason: str) -> None:
    """Stop sending to an endpoint that said it is gone; its owner can switch it on again."""
    WebhookEndpoint.objects.filter(id=endpoint_id, is_enabled=True).update(
        is_enabled=False, disabled_reason=reason, updated_at=clock.now()
    )


def signing_secrets(endpoint: WebhookEndpoint) -> list[str]:
    """Name the secrets that sign a call right now: the current one first."""
    until = endpoint.previous_secret_until
    is_rotating = bool(endpoint.previous_secret) and until is not None and until > clock.now()
    return [endpoint.secret, endpoint.previous_secret] if is_rotating else [endpoint.secret]


def _secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _check(*, url: str | None, events: Sequence[str] | None) -> None:
    errors: dict[str, list[str]] = {}
    if url is not None:
        try:
            outbound.check(url)
        except outbound.Refused as refused:
            errors["url"] = [refused.detail]
    if events is not None:
        if unknown := sorted(set(events) - set(EVENTS)):
            errors["events"] = [f"No event type is called {', '.join(unknown)}."]
        elif not events:
            errors["events"] = ["Name at least one event type."]
    if errors:
        raise Invalid("The endpoint cannot be called like that.", errors=errors)


def _locked(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    # Notices may be queued meanwhile: their keys to the row are no reason to wait.
    rows = WebhookEndpoint.objects.select_for_update(no_key=True)
    found = rows.filter(id=endpoint.id, deleted_at=None).first()
    if found is None:
        raise NotFound("There is no such endpoint.")
    return found


def _save(row: WebhookEndpoint, **facts: Any) -> WebhookEndpoint:
    for name, value in {**facts, "updated_at": clock.now()}.items():
        setattr(row, name, value)
    row.save(update_fields=[*facts, "updated_at"])
    return row
