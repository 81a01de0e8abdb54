"""Exports asked for side by side: the organization's cap holds, whichever jobs they are of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from marketplace.models import Export
from marketplace.services import exports
from tests.factories import marketplace as make

from .test_opening import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_the_cap_holds_for_all_jobs_of_an_organization_at_once() -> None:
    whose = make.requester(credit_micros=0)
    own = [make.draft(whose) for _ in range(8)]
    for job in own[: exports.OPEN_CAP - 2]:
        exports.create(job=job, format_name="jsonl", by=whose.user_id)
    room = exports.OPEN_CAP - Export.objects.count()

    def asker(number: int) -> Callable[[], Export]:
        job = own[number]
        return lambda: exports.create(job=job, format_name="jsonl", by=whose.user_id)

    found = together(*[asker(number) for number in range(len(own))])
    refused = [one for one in found if isinstance(one, exports.TooManyExports)]
    assert len([one for one in found if isinstance(one, Export)]) == room
    assert len(refused) == len(own) - room
    assert Export.objects.count() == exports.OPEN_CAP
