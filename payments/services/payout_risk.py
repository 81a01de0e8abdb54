"""Why a person should look at a payout: rules over facts, each with a severity and plain words.

``note`` is worth knowing, ``warn`` needs a look, ``stop`` needs two people. Rules are independent;
what they know of work came down with the earnings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from core import clock
from payments import money
from payments.models import ConnectedAccount, Payout

NOTE, WARN, STOP = Payout.Severity.NOTE, Payout.Severity.WARN, Payout.Severity.STOP


@dataclass(frozen=True)
class Limits:
    """Where the rules begin to speak; ``settings.PAYOUT_RISK`` may give others by name."""

    young_worker_days: int = 7
    young_requester_days: int = 30
    one_requester_percent: int = 80
    usual_times: int = 3
    bank_change_hours: int = 72


@dataclass(frozen=True)
class Source:
    """A requester's part in what may be paid out; 0 where it was paid out before, not long ago."""

    name: str
    micros: int
    created_at: datetime
    is_own: bool


@dataclass(frozen=True)
class Facts:
    """What the rules look at."""

    now: datetime
    amount_micros: int
    currency: str
    worker_since: datetime
    earlier_payouts: int
    usual_micros: int
    sources: list[Source] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    bank_changed_at: datetime | None = None
    bank_sharers: int = 0


@dataclass(frozen=True)
class Hit:
    """One rule that speaks."""

    rule: str
    severity: int
    says: str

    def as_dict(self) -> dict[str, Any]:
        """As it is kept on the payout."""
        label = Payout.Severity(self.severity).name.lower()
        return {"rule": self.rule, "severity": label, "says": self.says}


Rule = Callable[[Facts, Limits], Hit | None]


def assess(payout: Payout, account: ConnectedAccount | None) -> list[Hit]:
    """The rules that speak on a payout as things are, the gravest first."""
    return judge(facts_of(payout, account), Limits(**getattr(settings, "PAYOUT_RISK", {})))


def judge(facts: Facts, limits: Limits | None = None) -> list[Hit]:
    """The rules that speak on these facts, the gravest first."""
    bounds = limits or Limits()
    hits = [hit for rule in RULES if (hit := rule(facts, bounds)) is not None]
    hits += _notes(facts)
    return sorted(hits, key=lambda hit: -hit.severity)


# --- the rules -------------------------------------------------------------------------------
def _first(facts: Facts, limits: Limits) -> Hit | None:
    if facts.earlier_payouts:
        return None
    return Hit("first_payout", NOTE, "It is this worker's first payout.")


def _young_worker(facts: Facts, limits: Limits) -> Hit | None:
    days = (facts.now - facts.worker_since).days
    if days >= limits.young_worker_days:
        return None
    return Hit("young_worker", NOTE, f"The worker joined {_days(days)} ago.")


def _large(facts: Facts, limits: Limits) -> Hit | None:
    most = settings.PAYOUT_SECOND_APPROVAL_MICROS
    if facts.amount_micros <= most:
        return None
    shown, bound = (money.display(one, facts.currency) for one in (facts.amount_micros, most))
    return Hit("large_amount", WARN, f"{shown} is over {bound}: two people must approve it.")


def _unusual(facts: Facts, limits: Limits) -> Hit | None:
    if not facts.usual_micros or facts.amount_micros <= limits.usual_times * facts.usual_micros:
        return None
    usual = money.display(facts.usual_micros, facts.currency)
    times = facts.amount_micros // facts.usual_micros
    return Hit(
        "unusual_amount", WARN, f"It is {times} times this worker's usual payout of {usual}."
    )


def _one_young_requester(facts: Facts, limits: Limits) -> Hit | None:
    total = sum(source.micros for source in facts.sources)
    for source in facts.sources:
        days = (facts.now - source.created_at).days
        percent = source.micros * 100 // total if total else 0
        if percent >= limits.one_requester_percent and days < limits.young_requester_days:
            return Hit(
                "one_young_requester",
                STOP,
                f"{percent} % of the pay came from {source.name}, a requester for {_days(days)}.",
            )
    return None


def _own_requester(facts: Facts, limits: Limits) -> Hit | None:
    own = [source.name for source in facts.sources if source.is_own]
    if not own:
        return None
    return Hit("own_requester", STOP, f"The worker is a member of {', '.join(own)}, which paid.")


def _shared_bank(facts: Facts, limits: Limits) -> Hit | None:
    if not facts.bank_sharers:
        return None
    others = "another worker" if facts.bank_sharers == 1 else f"{facts.bank_sharers} other workers"
    return Hit("shared_bank", STOP, f"The same bank account is used by {others}.")


def _bank_changed(facts: Facts, limits: Limits) -> Hit | None:
    if facts.bank_changed_at is None:
        return None
    hours = int((facts.now - facts.bank_changed_at) / timedelta(hours=1))
    if hours >= limits.bank_change_hours:
        return None
    return Hit("bank_changed", WARN, f"The bank account was changed {hours} hours ago.")


RULES: tuple[Rule, ...] = (
    _first,
    _young_worker,
    _large,
    _unusual,
    _one_young_requester,
    _own_requester,
    _shared_bank,
    _bank_changed,
)
#: Notes on paid work that are no cause for a closer look.
_HARMLESS = frozenset({"submitted late"})


def _notes(facts: Facts) -> Iterator[Hit]:
    for text, count in sorted(facts.notes.items()):
        severity = NOTE if text in _HARMLESS else WARN
        yield Hit("work_note", severity, f"Noted on {count} of the paid answers: {text}.")


def _days(days: int) -> str:
    return "less than a day" if days < 1 else "1 day" if days == 1 else f"{days} days"


# --- the facts -------------------------------------------------------------------------------
_HISTORY = """
SELECT u.created_at, count(p.id) FILTER (WHERE p.state <> 'bank_failed'),
       coalesce(avg(p.amount_micros) FILTER (WHERE p.state <> 'bank_failed'), 0)::bigint,
       coalesce(sum(p.amount_micros), 0)::bigint
FROM core_user u
LEFT JOIN payments_payout p ON p.worker_id = u.id AND p.currency = %(currency)s
    AND p.id <> %(payout)s AND p.state IN ('sent', 'paid', 'bank_failed')
WHERE u.id = %(worker)s GROUP BY u.id
"""
#: What was paid out so lately still counts for the rules that look at where pay came from.
WINDOW = timedelta(days=90)
# What this payout may pay: whatever earlier ones have not, the oldest pay first. A small payout
# before it takes away no more than its own amount. Found by the index of a worker's earnings.
_COVERED = """
WITH covered AS (
    SELECT organization_id, risk_notes, created_at,
        greatest(least(amount_micros,
                       sum(amount_micros) OVER (ORDER BY created_at, id) - %(left)s), 0) AS unpaid
    FROM payments_earning WHERE worker_id = %(worker)s AND currency = %(currency)s
)
"""
_SOURCES = (
    _COVERED
    + """
SELECT o.name, sum(c.unpaid)::bigint, o.created_at, bool_or(m.id IS NOT NULL)
FROM covered c
JOIN core_organization o ON o.id = c.organization_id
LEFT JOIN core_membership m ON m.organization_id = o.id AND m.user_id = %(worker)s
WHERE c.unpaid > 0 OR c.created_at > %(since)s
GROUP BY o.id ORDER BY 4 DESC, 2 DESC LIMIT 20
"""
)
_NOTES = (
    _COVERED
    + """
SELECT note, count(*) FROM covered c CROSS JOIN LATERAL unnest(c.risk_notes) AS note
WHERE c.unpaid > 0 OR c.created_at > %(since)s
GROUP BY note ORDER BY 2 DESC LIMIT 20
"""
)


def facts_of(payout: Payout, account: ConnectedAccount | None) -> Facts:
    """Read what the rules look at."""
    asked: dict[str, Any] = {
        "worker": payout.worker_id,
        "payout": payout.pk,
        "currency": payout.currency,
        "since": payout.created_at - WINDOW,
    }
    with connection.cursor() as cursor:
        cursor.execute(_HISTORY, asked)
        worker_since, earlier, usual, asked["left"] = cursor.fetchone()
        cursor.execute(_SOURCES, asked)
        sources = [Source(*row) for row in cursor.fetchall()]
        cursor.execute(_NOTES, asked)
        notes = dict(cursor.fetchall())
    sharers = 0
    if account is not None and account.bank_fingerprint:
        sharers = (
            ConnectedAccount.objects.filter(bank_fingerprint=account.bank_fingerprint)
            .exclude(pk=account.pk)
            .count()
        )
    return Facts(
        now=clock.now(),
        amount_micros=payout.amount_micros,
        currency=payout.currency,
        worker_since=worker_since,
        earlier_payouts=earlier,
        usual_micros=usual,
        sources=sources,
        notes=notes,
        bank_changed_at=None if account is None else account.bank_changed_at,
        bank_sharers=sharers,
    )
