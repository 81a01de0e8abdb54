#!/usr/bin/env python
"""Run a management command, with the embedded servers when none are configured."""

import os
import sys


def main() -> None:
    """Pick the settings, bring up what the command needs, and hand over to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    from config import embedded

    embedded.ensure_for_command(sys.argv[1:])
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
