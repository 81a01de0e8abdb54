"""A claim says in words what it pays, and its receipt says the same."""

import pytest

from payments import pricing
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.api import rendering
from workers.models import Assignment
from workers.services import quotes, settlement

pytestmark = pytest.mark.django_db


def test_the_claim_the_list_and_the_receipt_say_the_same() -> None:
    job = make.live(1, bonus_pct=0.25, difficulty=1.2)
    got = people.claimed(job, people.person())
    row = Assignment.objects.select_related("job").get(pk=got["id"])
    said = rendering.quote(got)["explanation"]
    assert "1.2 difficulty" in said
    assert said == rendering.quote_of(row)["explanation"]
    assert said == pricing.explain(settlement.quote_of(row, job))


def test_the_terms_of_a_job_are_read_once(django_assert_num_queries) -> None:
    job = make.live(1)
    with django_assert_num_queries(1):
        first = quotes.terms_of(job.pk)
    with django_assert_num_queries(0):
        assert quotes.terms_of(job.pk) == first == quotes.terms(job)
