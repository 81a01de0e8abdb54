"""``python -m config.embedded start|stop|status|urls [main|test]``: the servers by hand.

``start`` prints their addresses. Put these into the environment: a command that finds none takes
the servers for its own, and the last one to end stops them.
"""

from __future__ import annotations

import sys

from config import embedded
from config.embedded import places, postgres, valkey


def main(argv: list[str]) -> int:
    """Do what the words say; answer the process's exit status."""
    verb, name = (*argv, *("status", places.MAIN)[len(argv) :])[:2]
    site = places.site(name)
    if verb == "stop":
        embedded.stop(name)
    elif verb in ("start", "urls"):
        if verb == "start":
            embedded.ensure(name)
        for key, value in embedded.addresses(name)._asdict().items():
            print(f"{key.upper()}={value}")
    elif verb == "status":
        print(f"postgres: {postgres.probe(site)}")
        print(f"valkey: {'ready' if valkey.answers(site) else 'down'}")
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
