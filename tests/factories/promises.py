"""What the API's own document promises of an answer, held against the answers of the tests."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import jsonschema
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator

ROOT = "/api/v1"
SITE = "config.urls"


@functools.cache
def document() -> dict[str, Any]:
    """The OpenAPI document of the whole API, as plain data."""
    made = SchemaGenerator().get_schema(request=None, public=True)
    return _with_nulls(json.loads(json.dumps(made, default=str)))


def _with_nulls(node: Any) -> Any:
    """OpenAPI 3.0 says "nullable" where JSON Schema gives a choice."""
    if isinstance(node, list):
        return [_with_nulls(one) for one in node]
    if not isinstance(node, dict):
        return node
    rest = {key: _with_nulls(one) for key, one in node.items() if key != "nullable"}
    return {"anyOf": [rest, {"type": "null"}]} if node.get("nullable") is True else rest


@functools.cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """Every path as a pattern, those without variables first."""
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"), path) for path in paths]


@functools.cache
def _validator(path: str, method: str, status: int) -> Any:
    """What validates an answer's JSON; None where no JSON is promised; raises KeyError."""
    said = document()["paths"][path][method.lower()]["responses"][str(status)]
    content = said.get("content", {})
    if "application/json" not in content:
        return None
    schema = {**content["application/json"]["schema"], "components": document()["components"]}
    return jsonschema.Draft202012Validator(schema)


def hold(method: str, path: str, answer: Any) -> None:
    """Fail where a good answer is not the one that the document promises."""
    if answer.status_code >= 300 or answer.streaming or settings.ROOT_URLCONF != SITE:
        return  # trials of the floor have small endpoints of their own
    path = f"{ROOT}{path.partition('?')[0]}"
    named = next((name for pattern, name in _templates() if pattern.match(path)), None)
    assert named is not None, f"{path} is not in the document"
    try:
        validator = _validator(named, method, answer.status_code)
    except KeyError:
        raise AssertionError(f"{method} {named} answers {answer.status_code} unannounced") from None
    if validator is not None and answer.headers.get("Content-Type") == "application/json":
        wrong = jsonschema.exceptions.best_match(validator.iter_errors(answer.json()))
        assert wrong is None, f"{method} {named}: {wrong.json_path} {wrong.message}"
