"""What the stand-in lets through is what the installed package types, and nothing else."""

from __future__ import annotations

import pytest

from payments.fakestripe import forms, parameters, routes
from payments.fakestripe.problems import BadParameter

TRANSFER = parameters.operation("stripe._transfer_service", "TransferService", "create")
SESSION = parameters.operation("stripe.checkout._session_service", "SessionService", "create")


def test_verbs_paths_and_types_come_from_the_package() -> None:
    assert (TRANSFER.verb, TRANSFER.path) == ("POST", "/v1/transfers")
    found = routes.find("GET", "/v1/checkout/sessions/cs_1")
    assert found is not None
    assert found[1] == {"session": "cs_1"}
    assert routes.find("DELETE", "/v1/transfers") is None
    assert len({(one.operation.verb, one.operation.path) for one in routes.table()}) == len(
        routes.SERVED
    )


def test_every_served_operation_can_read_its_types() -> None:
    for route in routes.table():
        with pytest.raises(BadParameter, match="unknown parameter"):
            route.operation.check({"no_such_parameter": "1"})


def test_a_method_the_package_does_not_have_is_noticed() -> None:
    with pytest.raises(AttributeError):
        parameters.operation("stripe._transfer_service", "TransferService", "no_such_method")


def test_forms_become_trees_of_typed_values() -> None:
    given = forms.parse(
        "mode=payment&success_url=https%3A%2F%2Fx&line_items[0][quantity]=2"
        "&line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=500"
        "&line_items[0][price_data][product_data][name]=Work&metadata[a]=b&expand[]=customer"
    )
    assert SESSION.check(given) == {
        "mode": "payment",
        "success_url": "https://x",
        "line_items": [
            {
                "quantity": 2,
                "price_data": {
                    "currency": "usd",
                    "unit_amount": 500,
                    "product_data": {"name": "Work"},
                },
            }
        ],
        "metadata": {"a": "b"},
        "expand": ["customer"],
    }


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ("amount=1&currency=usd", "parameter_missing", "destination"),
        ("amount=1.5&currency=usd&destination=a", "parameter_invalid_integer", "amount"),
        ("amount=1&currency=&destination=a", "parameter_invalid_empty", "currency"),
        ("amount=1&currency=usd&destination=a&foo=1", "parameter_unknown", "foo"),
        ("amount=1&currency=usd&destination=a&api_key=1", "parameter_unknown", "api_key"),
        ("currency=usd&destination=a&source_type=gold", "parameter_invalid_enum", "source_type"),
        ("currency=usd&destination=a&metadata=1", "parameter_invalid", "metadata"),
        ("currency=usd&destination=a&expand[1]=x", "parameter_invalid_array", "expand"),
        ("currency=usd&destination[x]=a", "parameter_invalid", "destination"),
    ],
)
def test_what_the_package_does_not_allow_is_refused(form: str, code: str, param: str) -> None:
    with pytest.raises(BadParameter) as refused:
        TRANSFER.check(forms.parse(form))
    assert (refused.value.code, refused.value.param) == (code, param)


@pytest.mark.parametrize("form", ["a=1&a=2", "a[b]=1&a=2", "a=1&a[b]=2", "a[b=1", "[]=1]"])
def test_bad_forms_are_refused(form: str) -> None:
    with pytest.raises(BadParameter):
        TRANSFER.check(forms.parse(form))
