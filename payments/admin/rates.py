"""Rate cards: a version is never changed, a new one is published."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.http import HttpRequest

from core import clock
from payments import pricing
from payments.admin.kept import KeptAdmin, amount, person
from payments.models import RateCard
from payments.services import rates

_FIELDS = (
    "currency", "specialties", "tiers", "floor_per_hour_micros", "fee_rate", "topup_cap", "note",
    "active_from",
)  # fmt: skip
_NUMBERS = ("currency", "floor_per_hour_micros", "fee_rate", "topup_cap")
_EXAMPLE = 'Specialties are like {"text": "1.00"}, tiers like [[0, "1.00"], [1, "1.10"]].'


class RateCardForm(forms.ModelForm):
    """A new version; the rules of pricing are asked before it is published."""

    active_from = forms.SplitDateTimeField(
        required=False,
        widget=AdminSplitDateTime,
        help_text="Empty: at once. Launched jobs keep the version they were launched with.",
    )

    class Meta:
        model = RateCard
        fields = _FIELDS

    #: The factors as pricing takes them, once the form is clean.
    factors: dict[str, Any]

    def clean(self) -> dict[str, Any]:
        """Ask pricing whether it can price by this."""
        given: dict[str, Any] = super().clean() or {}
        if self.errors:
            return given
        try:
            self.factors = {
                "specialties": {
                    str(name): Decimal(str(factor)) for name, factor in given["specialties"].items()
                },
                "tiers": tuple(
                    (int(level), Decimal(str(factor))) for level, factor in given["tiers"]
                ),
            }
        except (AttributeError, TypeError, ValueError, InvalidOperation):
            raise forms.ValidationError(_EXAMPLE) from None
        numbers = {name: given[name] for name in _NUMBERS}
        try:
            pricing.check(pricing.Card(version=0, **self.factors, **numbers))
        except pricing.BadCard as bad:
            for name, said in bad.problems.items():
                self.add_error(name, said)
        return given


@admin.register(RateCard)
class RateCardAdmin(KeptAdmin):
    """Versions of what work pays by."""

    list_display = ("version", "currency", "floor", "fee_rate", "active_from", "created_by", "note")
    list_filter = ("currency",)
    ordering = ("-version",)

    @admin.display(description="Floor per hour")
    def floor(self, row: RateCard) -> str:
        """The least that an hour pays."""
        return amount(row.floor_per_hour_micros, row.currency)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """A new version is all that may be added."""
        return bool(request.user.has_perm("payments.add_ratecard"))

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        """The form of a new version; versions that are there have none."""
        if obj is None:
            options["form"] = RateCardForm
        return super().get_form(request, obj, change, **options)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What a new version says; of one that is there, everything."""
        return _FIELDS if obj is None else super().get_fields(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new version begins as the one in force."""
        found = (
            RateCard.objects.filter(currency="USD", active_from__lte=clock.now())
            .order_by("-version")
            .first()
        )
        if found is None:
            return {}
        return {
            name: getattr(found, name) for name in _FIELDS if name not in ("note", "active_from")
        }

    def save_model(self, request: HttpRequest, obj: RateCard, form: Any, change: bool) -> None:
        """Publish it."""
        given = {name: form.cleaned_data[name] for name in (*_NUMBERS, "note", "active_from")}
        card = rates.publish(by=person(request), **form.factors, **given)
        obj.version = card.version
