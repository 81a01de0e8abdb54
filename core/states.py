"""The one way a row changes state, in the code and in the database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import migrations, models

from core import errors

_NAME = re.compile(r"[a-z_]+")


class IllegalTransition(errors.Conflict):
    """The table of transitions has no such edge; ``state`` is where the row stands."""

    code = "illegal_transition"


def move(row: models.Model, state: str, **facts: Any) -> None:
    """Move a row, locked by the caller, to another state, and set the facts that go with it.

    Only the state and the facts are saved. Raises IllegalTransition; nothing is changed then.
    """
    before: str = row.state  # type: ignore[attr-defined]
    table: Mapping[str, Sequence[str]] = row.TRANSITIONS  # type: ignore[attr-defined]
    after = str(state)
    if after not in table.get(before, ()):
        raise IllegalTransition(
            f"This {row._meta.verbose_name} is {before}; it cannot become {after}.", state=before
        )
    row.state = after  # type: ignore[attr-defined]
    for name, value in facts.items():
        setattr(row, name, value)
    row.save(update_fields=["state", *facts])


def transition_trigger(
    table: str, column: str, transitions: Mapping[str, Sequence[str]]
) -> migrations.RunSQL:
    """A migration step that makes the database refuse every edge which the table does not list."""
    names = [table, column, *transitions, *(to for tos in transitions.values() for to in tos)]
    if not all(_NAME.fullmatch(name) for name in names):
        raise ValueError(f"not plain names: {names}")
    edges = [
        f"(OLD.{column} = '{before}' AND NEW.{column} IN ({', '.join(map(repr, after))}))"
        for before, after in transitions.items()
        if after
    ]
    guard = f"{table}_{column}_moves"
    return migrations.RunSQL(
        f"""
        CREATE FUNCTION {guard}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{table}.{column} cannot go from % to %', OLD.{column}, NEW.{column}
                USING ERRCODE = 'check_violation';
        END $$;
        CREATE TRIGGER {guard} BEFORE UPDATE OF {column} ON {table} FOR EACH ROW
            WHEN (OLD.{column} IS DISTINCT FROM NEW.{column} AND NOT ({" OR ".join(edges)}))
            EXECUTE FUNCTION {guard}();
        """,
        f"DROP TRIGGER {guard} ON {table}; DROP FUNCTION {guard}();",
    )
