"""What every endpoint of the API is built on.

An endpoint says what it is in class dictionaries by method, and the rest follows from them: who may
call it, what it reads, what it answers, how it behaves when it is called twice, and its part of the
OpenAPI document (``core.http.schema``)::

    class JobView(ApiView):
        access = {"PATCH": Access(scope="jobs:write", role="manager", idempotency="natural")}
        bodies = {"PATCH": JobChange}
        responses = {"PATCH": {200: JobShape}}

        def patch(self, request: Request, job: UUID) -> Response: ...

Plain Django REST framework would negotiate formats and copy serializers for every request. Here
there is one format, and serializers are made once; the claim path runs through these lines.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import orjson
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core import errors
from core.http import auth, idempotency, pagination, parser, streams, throttles
from core.http import errors as http_errors
from core.http.serializers import QueryText

Role = Literal["public", "user", "viewer", "manager", "owner", "staff"]
Idempotency = Literal["none", "natural", "ordinary", "external"]

#: What a member may do includes what the ones before may do.
_RANKS = {"viewer": 1, "manager": 2, "owner": 3}
_JSON = "application/json"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a method, and what happens when it is called twice.

    ``role``: "public" (anybody, no token), "user" (any token), "viewer", "manager" or "owner" (of
    the organization that the token acts for), "staff". ``scope``: what the token must be good for.
    ``idempotency`` is explained in ``core.http.idempotency``; ``requires_key`` makes the header
    obligatory.
    """

    scope: str | None
    role: Role
    idempotency: Idempotency = "none"
    requires_key: bool = False

    @property
    def takes_key(self) -> bool:
        """Whether an Idempotency-Key makes a difference."""
        return self.idempotency in ("ordinary", "external")


class MissingScope(errors.Forbidden):
    """The token is not good for this."""

    code = "missing_scope"


class MissingRole(errors.Forbidden):
    """The caller is not who may do this."""

    code = "missing_role"


class JSONRenderer(BaseRenderer):
    """Answers in JSON: UUIDs and times as text, times in UTC with a Z."""

    media_type = _JSON
    format = "json"
    charset = None

    def render(self, data: Any, media_type: Any = None, context: Any = None) -> bytes:
        """The bytes of an answer."""
        if data is None:
            return b""
        return orjson.dumps(data, default=str, option=orjson.OPT_UTC_Z)


_RENDERER = JSONRenderer()
_NEGOTIATION = DefaultContentNegotiation()


@functools.cache
def _serializer(kind: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """One instance for the whole process: validating changes nothing in it."""
    return kind()


@functools.cache
def known_parameters(view: Any, method: str) -> frozenset[str]:
    """The query parameters that a method takes."""
    names: set[str] = set()
    if (query := view.queries.get(method)) is not None:
        names.update(_serializer(query).fields)
    if view.is_list(method):
        names |= pagination.PARAMETERS
    return frozenset(names)


class ApiView(APIView):
    """An endpoint. Each dictionary's keys are methods in capitals; HEAD is answered as GET.

    ``responses`` gives serializers by status, for documentation: a ``many=True`` serializer is one
    page of a list, None an answer without a body. ``uploads`` gives the content types of a body
    that is streamed (``core.http.streams``). ``loads_caller``: the view brings its own
    ``load_caller(request, digest) -> Caller | None`` that reads more in the same statement.
    """

    access: Mapping[str, Access] = {}
    bodies: Mapping[str, Any] = {}
    queries: Mapping[str, Any] = {}
    responses: Mapping[str, Mapping[Any, Any]] = {}
    uploads: Mapping[str, Sequence[str]] = {}
    loads_caller = False
    renderer_classes = (JSONRenderer,)

    #: Who is asking; of a public endpoint, nobody.
    caller: auth.Caller

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """The view function. Raises ImproperlyConfigured when a method says not who may call it."""
        for name in cls.http_method_names:
            if name in ("head", "options") or not hasattr(cls, name):
                continue
            access = cls.access.get(name.upper())
            if access is None:
                raise ImproperlyConfigured(f"{cls.__qualname__} does not say who may {name} it.")
            if access.role == "public" and (access.takes_key or access.requires_key):
                raise ImproperlyConfigured(f"{cls.__qualname__}: a key belongs to a caller.")
        return super().as_view(**initkwargs)

    @classmethod
    def is_list(cls, method: str) -> bool:
        """Whether a method answers with a page of a list."""
        return any(
            isinstance(shape, serializers.ListSerializer)
            for shape in cls.responses.get(method, {}).values()
        )

    # --- the way of a request ----------------------------------------------------------------
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        """Answer a request; every exception that is the client's becomes a problem."""
        self.args, self.kwargs = args, kwargs
        self.request = Request(
            request,
            parsers=[kind() for kind in self.parser_classes],
            negotiator=_NEGOTIATION,
            parser_context={"view": self, "args": args, "kwargs": kwargs},
        )
        try:
            response = self._answer(request)
        except Exception as problem:
            answer = http_errors.respond(problem)
            if answer is None:
                raise
            if request.method not in _SAFE:
                streams.drain(request)
            response = answer
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        method = request.method or ""
        handler = self._handler(method)
        if method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": ", ".join(self.allowed_methods)})
        method = "GET" if method == "HEAD" else method
        access = self.access[method]
        self._authorize(access, request)
        if request.META.get("QUERY_STRING"):
            self._check_parameters(method, request)
        if method in _SAFE:
            return self._run(handler)
        key = idempotency.text_of(request)
        if key is None or not access.takes_key:
            if access.requires_key and key is None:
                raise idempotency.KeyRequired("Send an Idempotency-Key header.")
            return self._run(handler)
        found = idempotency.key(
            key,
            caller=self.caller,
            request=request,
            body=streams.read(request, max_bytes=parser.SIZE),
        )
        once = idempotency.ordinary if access.idempotency == "ordinary" else idempotency.external
        return once(found, lambda: self._run(handler))

    def _handler(self, method: str) -> Callable[..., Any]:
        name = method.lower()
        handler = getattr(self, name, None) if name in self.http_method_names else None
        if handler is None:
            allowed = ", ".join(self.allowed_methods)
            raise http_errors.MethodNotAllowed(f"This place takes {allowed}.", allowed=allowed)
        found: Callable[..., Any] = handler
        return found

    def _authorize(self, access: Access, request: HttpRequest) -> None:
        if access.role == "public":
            throttles.count(throttles.PUBLIC, throttles.address_of(request))
            return
        self.caller = caller = self.authenticate(request)
        if access.idempotency != "natural":
            throttles.count(throttles.TOKEN, caller.token_id)
        self.require(access)

    def authenticate(self, request: HttpRequest | Request) -> auth.Caller:
        """The caller of the request's token. Raises Unauthenticated."""
        digest = auth.digest_of(request)
        if self.loads_caller:
            caller: auth.Caller | None = self.load_caller(self.request, digest)  # type: ignore[attr-defined]
        else:
            caller = auth.look_up(digest)
        if caller is None:
            raise auth.refuse()
        return caller

    def require(self, access: Access) -> None:
        """Whether the caller may do what ``access`` says. Raises Forbidden."""
        caller = self.caller
        if access.scope is not None and access.scope not in caller.scopes:
            raise MissingScope(f"This takes a token with the scope {access.scope}.")
        if access.role == "user":
            return
        if access.role == "staff":
            if not caller.is_staff:
                raise MissingRole("This is for the site's staff.")
        elif caller.organization_id is None:
            raise MissingRole("This takes a token that acts for an organization.")
        elif _RANKS[caller.role or "viewer"] < _RANKS[access.role]:
            raise MissingRole(f"This takes the role {access.role} in the organization.")

    def _check_parameters(self, method: str, request: HttpRequest) -> None:
        kind: Any = type(self)
        known = known_parameters(kind, method)
        problems = {}
        for name, values in request.GET.lists():
            if name not in known:
                problems[name[:100]] = ["There is no such parameter."]
            elif len(values) > 1:
                problems[name] = ["Given more than once."]
        if problems:
            raise errors.Invalid("Some parameters are not valid.", errors=problems)

    def _run(self, handler: Callable[..., Any]) -> Any:
        response = handler(self.request, *self.args, **self.kwargs)
        if isinstance(response, Response):
            response.accepted_renderer = _RENDERER
            response.accepted_media_type = _JSON
            response.renderer_context = {}  # type: ignore[attr-defined]
            # Rendered here, inside the key's transaction: an answer that cannot be given undoes it.
            response.render()
        return response

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """What a place takes stands in the schema; `Allow` names the methods."""

    # --- what a handler asks for -------------------------------------------------------------
    def body(self, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The body, read as strict JSON and validated. Raises Invalid, TooLarge, UnsupportedMedia.

        An action that takes no fields may be called without a body.
        """
        plain = self.request._request
        serializer = _serializer(kind)
        if not streams.has_body(plain) and not serializer.fields:
            return {}
        streams.require_content_type(plain, (_JSON,))
        raw = streams.read(plain, max_bytes=parser.SIZE)
        try:
            data = parser.loads(raw)
        except parser.Malformed as problem:
            raise MalformedBody(str(problem)) from None
        if data is None:
            raise errors.Invalid("A JSON object is required.", errors={"body": ["Is null."]})
        found: dict[str, Any] = serializer.run_validation(data)
        return found

    def query(self, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The query's parameters, validated. Raises Invalid."""
        serializer = _serializer(kind)
        given = self.request._request.GET
        data = {name: QueryText(given[name]) for name in given if name in serializer.fields}
        found: dict[str, Any] = serializer.run_validation(data)
        return found

    def page(
        self, rows: QuerySet[_Row], render: Callable[[_Row], Any], order: str = "-id"
    ) -> Response:
        """One page of rows, each rendered by itself. ``order`` is a unique field."""
        return self.page_of(rows, lambda found: [render(row) for row in found], order=order)

    def page_of(
        self, rows: QuerySet[_Row], render: Callable[[list[_Row]], list[Any]], order: str = "-id"
    ) -> Response:
        """One page of rows, rendered together."""
        asked = self.query(pagination.PageQuery)
        found = pagination.page(
            rows,
            order=order,
            limit=asked["limit"],
            after=asked.get("after"),
            place=self.request._request.path,
        )
        return Response({"data": render(found.rows), "next": found.next})


class MalformedBody(errors.Invalid):
    """The body is no JSON that we read."""

    code = "malformed_json"
