"""A round over many jobs, some of which break."""

from uuid import UUID

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from core.ids import new_id
from marketplace.services import rounds


def breaks(job_id: UUID) -> int:
    raise RuntimeError(str(job_id))


def test_what_breaks_is_passed_over_unless_everything_does() -> None:
    assert rounds.play([]) == 0
    assert rounds.play([(new_id(), breaks), (new_id(), lambda job_id: 2)]) == 2
    assert rounds.play([(new_id(), breaks), (new_id(), lambda job_id: 0)]) == 0
    last = new_id()
    with pytest.raises(RuntimeError, match=str(last)):
        rounds.play([(new_id(), breaks), (last, breaks)])


def test_a_round_whose_time_is_up_ends() -> None:
    seen: list[UUID] = []

    def out_of_time(job_id: UUID) -> int:
        seen.append(job_id)
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        rounds.play([(new_id(), out_of_time), (new_id(), out_of_time)])
    assert len(seen) == 1
