"""The assembly plane: settings, mounting, servers and project-wide commands."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class PieceworkConfig(AppConfig):
    """Makes the project-wide commands findable and the sweeps known in every process."""

    name = "config"
    default = True
    verbose_name = "Assembly"

    def ready(self) -> None:
        """Every process can nudge or run a sweep, so every process knows them all."""
        from config import celery

        celery.install_sweeps()


class AdminConfig(admin_apps.AdminConfig):
    """Django's admin with a site of ours."""

    default = False
    default_site = "config.admin_site.Site"
