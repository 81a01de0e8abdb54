"""The OpenAPI document, out of what each endpoint says of itself (``core.http.views``)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from django.urls import get_resolver
from drf_spectacular import openapi
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import ComponentRegistry
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from core.http import errors, idempotency, pagination
from core.http.serializers import StrictSerializer
from core.http.views import Access, ApiView

_JSON = "application/json"
_MULTIPART = "multipart/form-data"
_BINARY = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]}
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_VERBS = {"POST": "_create", "PUT": "_replace", "PATCH": "_update", "DELETE": "_delete"}
_ROLES = {
    "user": "any token",
    "viewer": "a token that acts for an organization",
    "manager": "a manager's or owner's token for an organization",
    "owner": "an owner's token for an organization",
    "staff": "a token of the site's staff",
}


class ProblemShape(serializers.Serializer[Any]):
    """What went wrong (RFC 9457). ``code`` is stable, ``detail`` is for people, ``errors`` names
    fields; some problems say more under names of their own.
    """

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField(allow_blank=True)
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()), required=False
    )


class BearerScheme(OpenApiAuthenticationExtension):
    """How the document names our tokens."""

    target_class = "core.http.auth.BearerAuthentication"
    name = "bearerAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """A bearer token in the Authorization header."""
        return {"type": "http", "scheme": "bearer"}


@functools.cache
def page_of(kind: Any) -> type[serializers.Serializer[Any]]:
    """The shape of a page of such rows."""
    fields = {
        "__doc__": "One page; ``next`` is the ``after`` of the page behind it, null on the last.",
        "__module__": kind.__module__,
        "data": kind(many=True),
        "next": serializers.CharField(allow_null=True),
    }
    return type(f"{kind.__name__.removesuffix('Shape')}Page", (serializers.Serializer,), fields)


@functools.cache
def route_names(urlconf: str) -> dict[type, str]:
    """The name of each endpoint's route."""
    found: dict[type, str] = {}
    waiting: list[Any] = [get_resolver(urlconf)]
    while waiting:
        one = waiting.pop()
        waiting.extend(getattr(one, "url_patterns", ()))
        kind = getattr(getattr(one, "callback", None), "cls", None)
        if kind is not None and one.name:
            found[kind] = one.name
    return found


class AutoSchema(openapi.AutoSchema):
    """One operation of an ``ApiView``. Other views are described as the library would."""

    view: Any
    method: str

    # --- words -------------------------------------------------------------------------------
    def get_operation_id(self) -> str:
        """After the route's name: ``jobs_list``, ``jobs_create``, ``jobs_retrieve``, ``jobs_launch``."""
        if not self._is_ours():
            return str(super().get_operation_id())
        name = route_names(settings.ROOT_URLCONF).get(type(self.view))
        if name is None:
            name = "-".join(self._tokenize_path())
        stem, _, kind = name.rpartition("-")
        if kind not in ("list", "detail"):
            stem = name
        if stem == name and self.method == "POST":
            verb = ""
        elif self.method == "GET" and self.view.is_list("GET"):
            verb = "_list"
        elif self.method == "GET":
            verb = "_retrieve" if kind == "detail" else "_get"
        else:
            verb = _VERBS[self.method]
        return f"{stem}{verb}".replace("-", "_")

    def get_summary(self) -> str | None:
        """What the place is."""
        doc = type(self.view).__doc__ if self._is_ours() else None
        return doc.strip().splitlines()[0].rstrip(".") if doc else super().get_summary()

    def get_description(self) -> str:  # type: ignore[override]
        """What the method does, and what it takes to call it."""
        found = str(super().get_description() or "")
        access = self._access()
        if access is None:
            return found
        if access.role == "public":
            return f"{found}\n\nNeeds no token."
        scope = f" with the scope `{access.scope}`" if access.scope else ""
        return f"{found}\n\nTakes {_ROLES[access.role]}{scope}."

    def get_extensions(self) -> dict[str, Any]:
        """The rule of access, for programs."""
        access = self._access()
        if access is None:
            return {}
        return {"x-role": access.role, "x-scope": access.scope, "x-idempotency": access.idempotency}

    def get_auth(self) -> list[dict[str, Any]]:
        """A token, unless the place is public."""
        access = self._access()
        return [] if access is not None and access.role == "public" else super().get_auth()

    # --- what comes in -----------------------------------------------------------------------
    def get_override_parameters(self) -> list[Any]:
        """The query's parameters, those of pages, and the idempotency key."""
        access = self._access()
        if access is None:
            return list(super().get_override_parameters())
        found: list[Any] = []
        if (query := self.view.queries.get(self.method)) is not None:
            found.append(query)
        if self.view.is_list(self.method):
            found.append(pagination.PageQuery)
        if access.takes_key:
            found.append(
                OpenApiParameter(
                    idempotency.HEADER,
                    {"type": "string", "minLength": 1, "maxLength": 255},
                    OpenApiParameter.HEADER,
                    required=access.requires_key,
                    description="The same key and body again give the same answer again.",
                )
            )
        return found

    def get_request_serializer(self) -> Any:
        """Bodies by content type."""
        if not self._is_ours():
            return super().get_request_serializer()
        if (body := self.view.bodies.get(self.method)) is not None:
            return {_JSON: body}
        if (types := self.view.uploads.get(self.method)) is not None:
            return {kind: _FORM if kind == _MULTIPART else _BINARY for kind in types}
        return {}

    def _get_request_body(self, direction: Any = "request") -> Any:
        found = super()._get_request_body(direction)
        if found is not None and self._is_ours():
            body = self.view.bodies.get(self.method)
            found["required"] = body is None or bool(body().fields)
        return found

    # --- what goes out -----------------------------------------------------------------------
    def get_response_serializers(self) -> Any:
        """Answers by status: those the view names, and the problems that any such place has."""
        access = self._access()
        if access is None:
            return super().get_response_serializers()
        found: dict[Any, Any] = {}
        problems = self._problems(access)
        for status, shape in self.view.responses.get(self.method, {}).items():
            if shape is None and status >= 400:
                problems.add(status)  # one that is not to be expected from the rest
            elif isinstance(shape, serializers.ListSerializer):
                kind: Any = type(shape.child)
                found[status] = page_of(kind)
            else:
                found[status] = shape
        for status in sorted(problems):
            found[status, errors.CONTENT_TYPE] = OpenApiResponse(
                ProblemShape, description=HTTPStatus(status).phrase
            )
        return found

    def _problems(self, access: Access) -> set[int]:
        found = {400, 429, 503}
        if access.role != "public":
            found |= {401, 403}
        if "{" in self.path:
            found.add(404)
        if self.method in _UNSAFE:
            found.add(409)
            if self.get_request_serializer():
                found |= {413, 415}
        if access.takes_key:
            found.add(422)
        return found

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Pages are shapes of their own: nothing is wrapped into an array for us."""
        return False if self._is_ours() else super()._is_list_view(serializer)

    # --- components --------------------------------------------------------------------------
    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """The class's name; with its plane before it when another class came first."""
        kind = type(serializer)
        name = kind.__name__.removesuffix("Shape")
        owners = _owners.setdefault(self.registry, {})
        if owners.setdefault(name, kind) is not kind:
            name = kind.__module__.partition(".")[0].title() + name
        return name

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        found = super()._map_basic_serializer(serializer, direction)
        if isinstance(serializer, StrictSerializer) or (
            isinstance(serializer, type) and issubclass(serializer, StrictSerializer)
        ):
            found["additionalProperties"] = False
        return found

    def _is_ours(self) -> bool:
        return isinstance(self.view, ApiView)

    def _access(self) -> Access | None:
        access: Mapping[str, Access] = self.view.access if self._is_ours() else {}
        return access.get(self.method)


_owners: WeakKeyDictionary[ComponentRegistry, dict[str, type]] = WeakKeyDictionary()
