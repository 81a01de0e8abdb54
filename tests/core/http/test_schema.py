"""The document says what the endpoints do, because it is made of what they say."""

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from core.http.schema import page_of
from tests.core.http import trial as endpoints


@pytest.fixture(scope="module")
def document():
    found = SchemaGenerator(patterns=endpoints.urlpatterns).get_schema(request=None, public=True)
    validate_schema(found)
    return found


def operation(document, method, path):
    return document["paths"][f"/api/v1/{path}"][method]


def parameters(one):
    return {(p["in"], p["name"]): p for p in one.get("parameters", [])}


def component(document, ref):
    return document["components"]["schemas"][ref["$ref"].rsplit("/", 1)[-1]]


def test_a_token_is_asked_for_unless_the_place_is_public(document):
    assert operation(document, "get", "empty")["security"] == [{"bearerAuth": []}]
    assert "security" not in operation(document, "get", "open")
    assert document["components"]["securitySchemes"]["bearerAuth"]["scheme"] == "bearer"
    said = operation(document, "put", "guarded")
    assert (said["x-role"], said["x-scope"], said["x-idempotency"]) == ("owner", "org", "none")
    assert "an owner's token" in said["description"]


def test_a_list_takes_its_own_parameters_and_those_of_pages(document):
    one = operation(document, "get", "things")
    found = parameters(one)
    assert set(found) == {("query", name) for name in ("kind", "count", "is_on", "limit", "after")}
    assert found["query", "limit"]["schema"] == {
        "type": "integer", "minimum": 1, "maximum": 200, "default": 50,
    }  # fmt: skip
    page = component(document, one["responses"]["200"]["content"]["application/json"]["schema"])
    assert page["required"] == ["data", "next"]
    assert page["properties"]["data"]["items"] == {"$ref": "#/components/schemas/Person"}
    assert page["properties"]["next"]["nullable"] is True
    assert one["operationId"] == "things_list"


def test_a_key_is_named_where_it_counts(document):
    assert not parameters(operation(document, "post", "things"))["header", "Idempotency-Key"].get(
        "required"
    )
    assert parameters(operation(document, "put", "things"))["header", "Idempotency-Key"]["required"]
    assert not parameters(operation(document, "post", "naturals"))


def test_paths_have_their_types(document):
    found = parameters(operation(document, "get", "own/{organization}"))
    assert found["path", "organization"]["schema"] == {"type": "string", "format": "uuid"}


def test_bodies_are_closed_and_strict(document):
    body = operation(document, "post", "things")["requestBody"]
    assert body["required"]
    shape = component(document, body["content"]["application/json"]["schema"])
    assert shape["additionalProperties"] is False
    assert shape["required"] == ["name"]
    assert "made_at" not in shape["properties"]
    assert [one["type"] for one in shape["properties"]["factor"]["oneOf"]] == ["number", "string"]
    assert shape["properties"]["count"] == {"type": "integer", "minimum": 0, "maximum": 2147483647}
    action = operation(document, "post", "action")["requestBody"]
    assert not action.get("required")


def test_a_stream_names_its_content_types(document):
    content = operation(document, "post", "upload")["requestBody"]["content"]
    assert {name: one["schema"]["format"] for name, one in content.items()} == {
        "text/csv": "binary",
        "application/x-ndjson": "binary",
    }


@pytest.mark.parametrize(
    ("method", "path", "problems"),
    [
        ("get", "open", {"400", "429", "503"}),
        ("get", "empty", {"400", "401", "403", "429", "503"}),
        ("get", "own/{organization}", {"400", "401", "403", "404", "429", "503"}),
        ("post", "things", {"400", "401", "403", "409", "413", "415", "422", "429", "503"}),
        ("post", "naturals", {"400", "401", "403", "409", "413", "415", "429", "503"}),
    ],
)
def test_problems_that_may_come_are_named(document, method, path, problems):
    responses = operation(document, method, path)["responses"]
    assert {status for status in responses if status >= "400"} == problems
    for status in problems:
        assert list(responses[status]["content"]) == ["application/problem+json"]


def test_a_page_of_the_same_rows_is_the_same_shape():
    assert page_of(endpoints.PersonShape) is page_of(endpoints.PersonShape)
    assert page_of(endpoints.PersonShape).__name__ == "PersonPage"
