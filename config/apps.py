"""The assembly plane: settings, mounting, servers and project-wide commands."""

from django.apps import AppConfig


class PieceworkConfig(AppConfig):
    """Makes the project-wide management commands findable."""

    name = "config"
    verbose_name = "Assembly"
