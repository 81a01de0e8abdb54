"""The API's document: whole, valid, and readable without a network.

That answers are as it says is seen everywhere: tests/factories/promises.py holds each one to it.
"""

import re

import pytest
from django.test import Client
from drf_spectacular.validation import validate_schema
from openapi_spec_validator import validate

from tests.factories import promises
from tests.factories.endpoints import RULES, routes


@pytest.mark.slow
def test_every_endpoint_is_in_the_document_and_nothing_else():
    document = promises.document()
    promised = {
        (re.sub(r"\{\w+\}", "{}", path).removeprefix(promises.ROOT), method.upper())
        for path, methods in document["paths"].items()
        for method in methods
        if method != "parameters"
    }
    listed = {
        ("/" + re.sub(r"<[^>]+>", "{}", str(path)), method)
        for name, path in ((name, routes()[name].pattern) for name in RULES)
        for method in RULES[name]
    }
    assert promised == listed


@pytest.mark.django_db
def test_the_document_is_valid_and_served():
    answer = Client().get("/api/v1/schema/", headers={"accept": "application/vnd.oai.openapi+json"})
    assert answer.status_code == 200
    found = answer.json()
    validate_schema(found)
    validate(found)


@pytest.mark.django_db
def test_its_page_loads_nothing_from_elsewhere():
    page = Client().get("/api/v1/docs/")
    assert page.status_code == 200
    assert "default-src" in page.headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.content.decode())
    assert loaded
    assert [one for one in loaded if "//" in one] == []


@pytest.mark.slow
@pytest.mark.django_db
def test_an_answer_that_breaks_the_promise_is_seen():
    class Answer:
        status_code, streaming, headers = 200, False, {"Content-Type": "application/json"}

        def json(self):
            return {"id": 5}

    with pytest.raises(AssertionError, match="/me"):
        promises.hold("GET", "/me", Answer())
    Answer.status_code = 299
    with pytest.raises(AssertionError, match="unannounced"):
        promises.hold("GET", "/me", Answer())
