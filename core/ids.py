"""Ids of rows: opaque to clients, ordered by time so that indexes grow at one end."""

from __future__ import annotations

from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """A new UUID of version 7."""
    return UUID(int=uuid_utils.uuid7().int)
