"""The data plane: what is to be labeled and what was said."""

from django.apps import AppConfig


class MarketplaceConfig(AppConfig):
    """The data plane: what is to be labeled and what was said."""

    name = "marketplace"
    verbose_name = "Jobs and data"
    default_auto_field = "django.db.models.BigAutoField"
