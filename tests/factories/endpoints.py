"""Every endpoint of the API: who may call it, a body that it takes, and which objects it is about.

The table is written by hand and compared with the routes (tests/flows/test_authorization.py).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver

PUBLIC = "public"
WORK, EARN, ACCOUNT = "user work", "user earnings", "user account"
READ, WRITE = "viewer jobs:read", "manager jobs:write"
ORG_READ, ORG, OWNER = "viewer org", "manager org", "owner org"
WALLET_READ, WALLET = "viewer wallet", "manager wallet"
ANY = "user"

#: Route name -> method -> who. The floor, then the planes from money up.
RULES: dict[str, dict[str, str]] = {
    "users-list": {"POST": PUBLIC},
    "me": {"GET": ANY},
    "tokens-list": {"GET": ACCOUNT, "POST": PUBLIC},
    "tokens-detail": {"DELETE": ACCOUNT},
    "organizations-list": {"GET": ACCOUNT, "POST": ACCOUNT},
    "organizations-detail": {"GET": ORG_READ},
    "members-list": {"GET": ORG_READ, "POST": OWNER},
    "members-detail": {"PATCH": OWNER, "DELETE": OWNER},
    "wallet": {"GET": WALLET_READ},
    "topups-list": {"GET": WALLET_READ, "POST": WALLET},
    "topups-detail": {"GET": WALLET_READ},
    "earnings-list": {"GET": EARN},
    "earnings-detail": {"GET": EARN},
    "payouts-list": {"GET": EARN, "POST": EARN},
    "payouts-detail": {"GET": EARN},
    "payouts-cancel": {"POST": EARN},
    "payout-account": {"GET": EARN, "POST": EARN},
    # Stripe proves itself by its signature.
    "stripe-webhook": {"POST": PUBLIC},
    "jobs-list": {"GET": READ, "POST": WRITE},
    "jobs-detail": {"GET": READ, "PATCH": WRITE},
    "jobs-quote": {"POST": READ},
    "jobs-launch": {"POST": WRITE},
    "jobs-budget": {"POST": WRITE},
    "jobs-pause": {"POST": WRITE},
    "jobs-resume": {"POST": WRITE},
    "jobs-cancel": {"POST": WRITE},
    "tasks-list": {"GET": READ, "POST": WRITE},
    "tasks-detail": {"GET": READ},
    "tasks-adjudicate": {"POST": WRITE},
    "tasks-reopen": {"POST": WRITE},
    # Known answers are not for everybody who may look.
    "gold-list": {"GET": "manager jobs:read", "POST": WRITE},
    "predictions-list": {"POST": WRITE},
    "results-list": {"GET": READ},
    "qualification-definitions-list": {"GET": READ, "POST": WRITE},
    "qualification-definitions-detail": {"GET": READ, "PATCH": WRITE},
    "media-list": {"GET": READ, "POST": WRITE},
    "media-detail": {"GET": READ},
    "media-file": {"GET": PUBLIC},
    "exports-list": {"GET": READ, "POST": READ},
    "exports-detail": {"GET": READ},
    "exports-file": {"GET": PUBLIC},
    "webhooks-list": {"GET": ORG_READ, "POST": ORG},
    "webhooks-detail": {"GET": ORG_READ, "PATCH": ORG, "DELETE": ORG},
    "webhooks-rotate": {"POST": ORG},
    "webhooks-deliveries": {"GET": ORG_READ},
    "webhooks-delivery": {"GET": ORG_READ},
    "webhooks-replay": {"POST": ORG},
    "worker": {"GET": WORK, "POST": WORK, "PATCH": WORK},
    "feed": {"GET": WORK},
    "feed-detail": {"GET": WORK},
    "jobs-claim": {"POST": WORK},
    "claim-any": {"POST": WORK},
    "assignments-list": {"GET": WORK},
    "assignments-detail": {"GET": WORK},
    "assignments-submit": {"POST": WORK},
    "assignments-undo": {"POST": WORK},
    "assignments-return": {"POST": WORK},
    "assignments-extend": {"POST": WORK},
    "assignments-draft": {"PUT": WORK},
    "qualifications-list": {"GET": WORK},
    "qualifications-detail": {"GET": WORK},
    "qualifications-attempts": {"POST": WORK},
    "attempts-detail": {"GET": WORK},
    "attempts-answers": {"POST": WORK},
    "attempts-abandon": {"POST": WORK},
    "availability": {"GET": WORK, "PUT": WORK, "DELETE": WORK},
    "offers": {"GET": WORK},
    "offers-accept": {"POST": WORK},
    "offers-decline": {"POST": WORK},
    "reviews-list": {"GET": READ},
    "reviews-accept-all": {"POST": WRITE},
    "reviews-accept": {"POST": WRITE},
    "reviews-reject": {"POST": WRITE},
    "assignments-contest": {"POST": WORK},
    # A worker sees their own, a requester those that it has to answer: the view asks for the scope.
    "contests-list": {"GET": ANY},
    "contests-uphold": {"POST": WRITE},
    "contests-deny": {"POST": WRITE},
}
#: Routes whose objects are there for every worker (a live job, an open qualification).
SHARED = {
    "jobs-claim", "feed-detail", "qualifications-detail", "qualifications-attempts",
}  # fmt: skip
#: Routes whose objects are the person's own, whoever they act for.
PERSONAL = {"tokens-detail"}
#: A body that passes the first look, so that the object is reached.
BODIES: dict[str, Any] = {
    "jobs-launch": {"budget_micros": 1},
    "jobs-budget": {"amount_micros": 1},
    "tasks-adjudicate": {"answer": {"choice": "yes"}},
    "exports-list": {"format": "jsonl"},
    "webhooks-detail": {"description": "x"},
    "assignments-submit": {"answer": {"choice": "yes"}},
    "assignments-draft": {"version": 0, "draft": {}},
    "assignments-contest": {"statement": "It is right."},
    "attempts-answers": {"question": 1, "answer": {"choice": "yes"}},
    "reviews-reject": {"reason": "clearly_wrong", "evidence": "Line one says so."},
    "reviews-accept-all": {"assignments": ["01900000-0000-7000-8000-000000000000"]},
    "contests-deny": {"answer": "It is wrong all the same."},
    "availability": {"specialties": ["text"], "until": "2030-01-31T18:00:00Z"},
    "members-list": {"email": "nobody@example.org", "role": "viewer"},
    "members-detail": {"role": "viewer"},
}
#: Signed links: who holds one may follow it, and nobody else finds anything.
SIGNED = {"exports-file", "media-file"}


def routes() -> dict[str, URLPattern]:
    """Every named route of the API."""
    found: dict[str, URLPattern] = {}

    def walk(patterns: Any, prefix: str) -> None:
        for one in patterns:
            here = prefix + str(one.pattern)
            if isinstance(one, URLResolver):
                walk(one.url_patterns, here)
            elif here.startswith("api/v1/") and one.name not in ("schema", "docs"):
                assert one.name, here
                assert one.name not in found, one.name
                found[one.name] = one

    walk(get_resolver().url_patterns, "")
    return found


def names_of(name: str) -> list[str]:
    """The names of the objects in a route's path."""
    return list(routes()[name].pattern.converters)


def ids_of(name: str, ids: dict[str, UUID]) -> dict[str, UUID]:
    """The arguments of a route's path, out of the ids of one side of a world."""
    found = {}
    for kwarg in names_of(name):
        wanted = "review" if kwarg == "assignment" and name.startswith("reviews") else kwarg
        found[kwarg] = ids[wanted]
    return found
