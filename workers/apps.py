"""The labor plane: who may work, who did, and how well."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """The labor plane: who may work, who did, and how well."""

    name = "workers"
    verbose_name = "Labor"
    default_auto_field = "django.db.models.BigAutoField"
