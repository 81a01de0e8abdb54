"""The demo: a market that has a past, the same however often it is made."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from config.demo import people, things
from core import audit
from core.models import Membership, User
from payments.fakestripe import FakeStripe
from workers.services import contests, reviews, settlement

TABLES = (
    "core_user", "core_membership", "marketplace_job", "marketplace_task", "marketplace_media",
    "workers_assignment", "workers_grant", "workers_contest", "payments_earning",
    "payments_payout", "payments_topup", "payments_ledgertransaction", "core_clockoffset",
)  # fmt: skip


def counts():
    with connection.cursor() as cursor:
        found = {}
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table] = cursor.fetchone()[0]
        return found


def column(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return {row[0] for row in cursor.fetchall()}


def owner_of_the_demo():
    return Membership.objects.get(user__email="owner@demo.invalid").organization_id


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_demo_lives_and_twice_is_as_once(settings, tmp_path, capsys):
    with FakeStripe(port=0) as fake:
        settings.STRIPE_API_BASE = fake.url
        settings.MEDIA_ROOT = tmp_path
        call_command("demo")
        first = counts()
        call_command("demo")
        assert counts() == first

    said = capsys.readouterr().out
    assert said.count("admin@demo.invalid") == 2
    assert User.objects.get(email="admin@demo.invalid").check_password(people.PASSWORD)
    assert first["core_clockoffset"] == 0
    assert first["workers_assignment"] > 500
    assert first["payments_payout"] >= 3
    assert first["workers_contest"] == 1
    # What is left to people waits for them: no sweep ends it at once.
    assert (contests.sweep(), settlement.sweep(), contests.oldest_due()) == (0, 0, None)
    assert contests.open_for(owner_of_the_demo()).count() == 1
    assert reviews.awaiting(owner_of_the_demo()).count() >= 5
    assert column("SELECT state FROM payments_payout") == {"needs_review"}
    assert column("SELECT state FROM workers_assignment") >= {"accepted", "submitted", "rejected"}
    assert column("SELECT state FROM marketplace_task") >= {"open", "resolved"}
    assert column("SELECT kind FROM marketplace_interface") >= {"choices", "transcript"}
    assert column("SELECT split_part(content_type, '/', 1) FROM marketplace_media") == {
        "image", "audio",
    }  # fmt: skip
    assert [finding.id for finding in audit.run_all() if not finding.ok] == []


def test_a_real_site_gets_no_demo(settings):
    settings.PIECEWORK_ADJUSTABLE_CLOCK = False
    with pytest.raises(CommandError, match="for a local site"):
        call_command("demo")


def test_things_are_the_same_each_time_and_different_from_each_other():
    assert things.picture(1) == things.picture(1) != things.picture(2)
    assert things.sound(1) == things.sound(1) != things.sound(2)
    assert things.picture(1).startswith(b"\x89PNG")
    assert things.sound(1).startswith(b"RIFF")
    assert {things.shape(number) for number in range(60)} == set(things.SHAPES)
    assert {things.topic(number) for number in range(60)} == set(things.TOPICS)
    assert "{" not in things.sentence(3)
