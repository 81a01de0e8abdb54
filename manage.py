#!/usr/bin/env python
"""Run a management command, with the embedded servers when none are configured."""

import sys


def main() -> None:
    """Pick the settings, bring up what the command needs, and hand over to Django."""
    from config import embedded, environment

    environment.load("local")
    embedded.ensure_for_command(sys.argv[1:])
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
