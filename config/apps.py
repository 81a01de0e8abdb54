"""The assembly plane: settings, mounting, servers and project-wide commands."""

from django.apps import AppConfig


class PieceworkConfig(AppConfig):
    """Makes the project-wide commands findable and the sweeps known in every process."""

    name = "config"
    verbose_name = "Assembly"

    def ready(self) -> None:
        """Every process can nudge or run a sweep, so every process knows them all."""
        from config import celery

        celery.install_sweeps()
