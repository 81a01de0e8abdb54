"""Claims and submits in a loop over one connection, where pgbench is not at hand."""

from __future__ import annotations

import json
import sys
import time
import uuid

import psycopg
from psycopg.rows import dict_row


def main() -> None:
    """Read the order from standard input, work, write the number of pairs."""
    order = json.load(sys.stdin)
    values = order["values"]
    common = {"job": values["job"], "worker": order["worker"]}
    digest = bytes.fromhex(values["hash"].removeprefix("\\x"))
    pairs = 0
    with psycopg.connect(
        order["url"], autocommit=True, prepare_threshold=1, row_factory=dict_row
    ) as connection:
        until = time.monotonic() + order["seconds"]
        while time.monotonic() < until:
            got = connection.execute(
                order["claim"],
                {**common, "assignment": uuid.uuid4(), "ahead": False, "hinted": False},
            ).fetchone()
            if got is None or got["id"] is None:
                continue
            connection.execute(
                order["submit"],
                {
                    **common,
                    "assignment": got["id"],
                    "interface": got["interface_id"],
                    "annotation": uuid.uuid4(),
                    "answer": values["answer"],
                    "hash": digest,
                    "undo": 0,
                },
            )
            pairs += 1
    sys.stdout.write(str(pairs))


if __name__ == "__main__":
    main()
