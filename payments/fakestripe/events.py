"""Events: what happened, listed for 30 days."""

from __future__ import annotations

from payments.fakestripe.calls import Call, page
from payments.fakestripe.store import DAY, Thing


def list_events(call: Call) -> Thing:
    """GET /v1/events, by type; Stripe keeps them for 30 days."""
    kinds = call.params.get("types") or [call.params[n] for n in ("type",) if n in call.params]
    oldest = call.store.now() - 30 * DAY
    found = [
        event
        for event in call.store.all("event", call.owner)
        if event["created"] >= oldest and (not kinds or event["type"] in kinds)
    ]
    return page(call, found, "/v1/events")


def retrieve_event(call: Call) -> Thing:
    """GET /v1/events/{id}."""
    return call.store.get("event", call.args["id"], call.owner)
