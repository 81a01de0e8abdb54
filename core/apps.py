"""The floor: who is asking, what they may be told, how a row changes state."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """The floor: who is asking, what they may be told, how a row changes state."""

    name = "core"
    verbose_name = "People and access"
    default_auto_field = "django.db.models.BigAutoField"
