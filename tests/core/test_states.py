import pytest
from django.db import IntegrityError, connection, transaction

from core import states

TRANSITIONS = {"new": ("done", "gone"), "done": (), "gone": ("new",)}


@pytest.fixture
def guarded(db):
    step = states.transition_trigger("trial_thing", "state", TRANSITIONS)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE trial_thing (id int PRIMARY KEY, state text)")
        cursor.execute(step.sql)
        cursor.execute("INSERT INTO trial_thing VALUES (1, 'new')")
    return step


def to(state):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE trial_thing SET state = %s", [state])


def test_the_database_lets_listed_edges_pass_and_refuses_the_others(guarded):
    to("new")
    to("gone")
    with pytest.raises(IntegrityError, match="cannot go from gone to done"):
        to("done")
    to("new")
    to("done")
    for state in ("new", "gone"):
        with pytest.raises(IntegrityError):
            to(state)


def test_the_guard_can_be_taken_away_again(guarded):
    with connection.cursor() as cursor:
        cursor.execute(guarded.reverse_sql)
    to("done")
    to("new")


def test_names_that_are_no_names_make_no_sql():
    with pytest.raises(ValueError, match="plain"):
        states.transition_trigger("t; DROP TABLE x", "state", TRANSITIONS)


class Thing:
    TRANSITIONS = TRANSITIONS

    class _meta:  # noqa: N801
        verbose_name = "thing"

    def __init__(self):
        self.state = "new"
        self.saved = None

    def save(self, update_fields):
        self.saved = update_fields


def test_move_sets_state_and_facts_and_saves_just_those():
    thing = Thing()
    states.move(thing, "done", by="somebody")
    assert (thing.state, thing.by, thing.saved) == ("done", "somebody", ["state", "by"])


def test_move_refuses_an_edge_that_the_table_lacks():
    thing = Thing()
    states.move(thing, "done")
    thing.saved = None
    with pytest.raises(states.IllegalTransition) as refused:
        states.move(thing, "new", by="somebody")
    assert refused.value.extra == {"state": "done"}
    assert thing.saved is None
    assert not hasattr(thing, "by")
