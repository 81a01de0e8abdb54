"""Every answer that says no, as RFC 9457 asks: problem+json with a stable ``code``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from django.core import exceptions as django_errors
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions as drf

from core import errors

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 2
#: Fields named in one answer; a client that gets so many wrong reads the documentation first.
_MOST_FIELDS = 50
_OF_THE_BODY = "body"
#: What we say of a failed database: by its SQLSTATE, else that it does not answer.
_BUSY = {
    "40001": "Somebody changed the same rows at the same moment; try again.",
    "40P01": "Somebody changed the same rows at the same moment; try again.",
    "55P03": "Somebody else holds these rows at the moment; try again.",
    "57014": "This took too long and was undone; try again.",
}

log = logging.getLogger(__name__)


class TooLarge(errors.Problem):
    """The body is larger than we read."""

    status = 413
    code = "too_large"
    title = "Too large"


class UnsupportedMedia(errors.Problem):
    """A content type or encoding that is not taken here."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"


class MethodNotAllowed(errors.Problem):
    """The place exists, but takes no such method; ``allowed`` lists those it takes."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"

    def __init__(self, detail: str, *, allowed: str) -> None:
        super().__init__(detail)
        self.allowed = allowed


def render(
    status: int,
    code: str,
    *,
    title: str = "",
    detail: str = "",
    fields: Mapping[str, list[str]] | None = None,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """A problem as an answer; ``extra`` cannot take the place of the members that are fixed."""
    body: dict[str, Any] = {
        **(extra or {}),
        "type": "about:blank",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if fields:
        body["errors"] = dict(list(fields.items())[:_MOST_FIELDS])
    return HttpResponse(
        orjson.dumps(body, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z),
        status=status,
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def respond(problem: BaseException) -> HttpResponse | None:
    """The answer to an exception; None when it is a failure of ours, to be logged as one."""
    for kinds, answer in _ANSWERS:
        if isinstance(problem, kinds):
            return answer(problem)
    return None


def exception_handler(problem: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """The same for plain views of Django REST framework."""
    return respond(problem)


def _problem(problem: Any) -> HttpResponse:
    headers = {}
    seconds = getattr(problem, "retry_after", problem.extra.get("retry_after"))
    if seconds is not None:
        headers["Retry-After"] = str(seconds)
    if problem.status == errors.Unauthenticated.status:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(problem, MethodNotAllowed):
        headers["Allow"] = problem.allowed
    return render(
        problem.status,
        problem.code,
        title=problem.title,
        detail=problem.detail,
        fields=problem.errors,
        extra=problem.extra,
        headers=headers,
    )


def _refused_fields(problem: Any) -> HttpResponse:
    """A serializer's complaint, with the path of each field: ``options.0.value``."""
    fields: dict[str, list[str]] = {}
    for path, said in _flat(problem.detail, ()):
        fields.setdefault(".".join(path) or _OF_THE_BODY, []).append(said)
    return render(
        400, "invalid", title="Invalid request", detail="Some fields are not valid.", fields=fields
    )


def _flat(detail: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            # Complaints about an object as a whole stand under the object's own name.
            yield from _flat(inner, path if name == "non_field_errors" else (*path, str(name)))
    elif isinstance(detail, list | tuple):
        for number, inner in enumerate(detail):
            is_leaf = not isinstance(inner, Mapping | list | tuple)
            if inner:
                yield from _flat(inner, path if is_leaf else (*path, str(number)))
    else:
        yield path, str(detail)


def _framework(problem: Any) -> HttpResponse:
    """Whatever else Django REST framework raises."""
    status = problem.status_code
    if status == 415:
        return _problem(UnsupportedMedia(str(problem.detail)))
    headers: dict[str, str] = {}
    if (wait := getattr(problem, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, round(wait)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    code = {401: "unauthenticated", 403: "forbidden", 404: "not_found", 429: "too_many_requests"}
    detail = problem.detail if isinstance(problem.detail, str) else ""
    return render(
        status, code.get(status, str(problem.default_code)), detail=str(detail), headers=headers
    )


def _refused_by_model(problem: Any) -> HttpResponse:
    if hasattr(problem, "error_dict"):
        fields = {name: [str(said) for said in all_] for name, all_ in problem.message_dict.items()}
    else:
        fields = {_OF_THE_BODY: [str(said) for said in problem.messages]}
    return render(
        400, "invalid", title="Invalid request", detail="Some values are not valid.", fields=fields
    )


def _unavailable(problem: BaseException) -> HttpResponse:
    """The database is away, full up, or gave up on this request: nothing was changed, or it cannot
    be told (the connection broke at the commit). Either way the same request may be sent again.
    """
    state = getattr(problem.__cause__, "sqlstate", None)
    log.warning("database said no (%s): %s", state, str(problem).strip())
    return render(
        503,
        "unavailable",
        title="Unavailable",
        detail=_BUSY.get(state or "", "The database does not answer; try again."),
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def _constraint(problem: BaseException) -> HttpResponse:
    """A rule of the database that no service named: told without its inner names, and logged."""
    log.warning("a constraint refused a request", exc_info=problem)
    return render(
        409, "conflict", title="Conflict", detail="This contradicts what is stored already."
    )


def _bad_value(problem: BaseException) -> HttpResponse:
    log.warning("the database could not take a value", exc_info=problem)
    return render(400, "invalid", title="Invalid request", detail="A value cannot be stored.")


def _says(
    status: int, code: str, detail: str, title: str = ""
) -> Callable[[BaseException], HttpResponse]:
    return lambda _: render(status, code, title=title, detail=detail)


_ANSWERS: tuple[tuple[Any, Callable[[Any], HttpResponse]], ...] = (
    (errors.Problem, _problem),
    (drf.ValidationError, _refused_fields),
    (drf.APIException, _framework),
    (Http404, _says(404, "not_found", "There is nothing here.")),
    (django_errors.PermissionDenied, _says(403, "forbidden", "You may not do this.")),
    (django_errors.ValidationError, _refused_by_model),
    (django_errors.RequestDataTooBig, _says(413, "too_large", "The body is too large.")),
    (
        django_errors.SuspiciousOperation,
        _says(400, "bad_request", "The request is not well formed."),
    ),
    (MultiPartParserError, _says(400, "bad_request", "The form is not well formed.")),
    (UnreadablePostError, _says(400, "incomplete", "The body broke off.")),
    ((OperationalError, InterfaceError), _unavailable),
    (IntegrityError, _constraint),
    (DataError, _bad_value),
)
