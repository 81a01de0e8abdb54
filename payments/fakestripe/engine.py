"""From a request to an answer: who asks, the checks, the key, the faults, the effect."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from payments.fakestripe import balances, checkout, forms, payouts, routes
from payments.fakestripe.calls import Call, expanded
from payments.fakestripe.problems import BadParameter, Refusal, server_error
from payments.fakestripe.store import Store, Thing


@dataclass(frozen=True)
class Request:
    """One request as it came; header names are in lower case."""

    verb: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]
    base_url: str


@dataclass(frozen=True)
class Answer:
    """What goes back. ``hangs_up``: the connection is cut instead."""

    status: int
    body: Thing
    headers: dict[str, str] = field(default_factory=dict)
    hangs_up: bool = False


class HangUp(Exception):
    """The connection is cut and nothing is answered."""


def tick(store: Store) -> None:
    """Let happen what time brings: money becomes available, sessions lapse, banks are paid."""
    with store.lock:
        balances.ripen(store)
        checkout.lapse(store)
        payouts.pay_out_due(store)


def answer(store: Store, request: Request) -> Answer:
    """Answer a request of the API."""
    headers = {"request-id": store.new_id("req")}
    try:
        status, body, replayed = _handle(store, request)
    except Refusal as refusal:
        status, body, replayed = refusal.status, refusal.body(), False
    except HangUp:
        return Answer(0, {}, hangs_up=True)
    finally:
        if request.verb != "GET":
            store.save()
    if replayed:
        headers["idempotent-replayed"] = "true"
    if status >= 500:
        # The stored answer would only be replayed: the client is told not to try again.
        headers["stripe-should-retry"] = "false"
    return Answer(status, body, headers)


def _handle(store: Store, request: Request) -> tuple[int, Thing, bool]:
    owner = _owner(store, request)
    found = routes.find(request.verb, request.path)
    if found is None:
        raise Refusal(f"Unrecognized request URL ({request.verb}: {request.path}).", status=404)
    route, args = found
    text = request.query if request.verb == "GET" else request.body
    try:
        given = forms.parse(text)
    except ValueError as error:
        raise BadParameter("The body is not form-encoded.", "", "parameter_invalid") from error
    params = route.operation.check(given)
    name = f"{request.verb} {request.path}"
    if store.faults.strike(name, "429"):
        raise Refusal("Too many requests.", status=429, code="rate_limit", is_kept=False)
    if store.faults.strike(name, "drop_before"):
        raise HangUp
    call = Call(store, owner, params, args, request.base_url, name)
    key = request.headers.get("idempotency-key", "") if request.verb == "POST" else ""
    if not key:
        return (*_run(call, route), False)
    place = f"{owner}:{key}"
    with store.lock:
        kept = store.keys.begin(place, _fingerprint(request, params), store.now())
    if kept is not None:
        return kept.status, kept.body, True
    return (*_run(call, route, place), False)


def _owner(store: Store, request: Request) -> str:
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind != "Bearer" or not secret.startswith(("sk_test_", "rk_test_")):
        raise Refusal("Invalid API Key provided.", status=401, is_kept=False)
    owner = request.headers.get("stripe-account", "")
    if owner and store.owners.get(owner) != "":
        raise Refusal(
            f"The provided key does not have access to account '{owner}'.",
            status=403,
            code="account_invalid",
            is_kept=False,
        )
    return owner


def _fingerprint(request: Request, params: Thing) -> str:
    text = json.dumps([request.verb, request.path, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _run(call: Call, route: routes.Route, place: str = "") -> tuple[int, Thing]:
    store = call.store
    slow = store.faults.strike(call.request, "slow")
    if slow is not None:
        time.sleep(slow.seconds)
    with store.lock:
        tick(store)
        status, body, is_kept = _effect(call, route)
        if place:
            if is_kept:
                store.keys.finish(place, status, body)
            else:
                store.keys.forget(place)
    if store.faults.strike(call.request, "drop_after"):
        raise HangUp
    return status, body


def _effect(call: Call, route: routes.Route) -> tuple[int, Thing, bool]:
    if call.store.faults.strike(call.request, "500_before"):
        failed = server_error()
        return failed.status, failed.body(), True
    try:
        made = route.handler(call)
        status, body = 200, expanded(call.store, made, call.params.get("expand", []))
    except Refusal as refusal:
        return refusal.status, refusal.body(), refusal.is_kept
    if call.store.faults.strike(call.request, "500_after"):
        failed = server_error()
        status, body = failed.status, failed.body()
    return status, body, True


def control(store: Store, verb: str, path: str, given: dict[str, Any]) -> Thing:
    """The stand-in's own levers, under ``/_fake/``: faults, clock, accounts, counts."""
    from payments.fakestripe import accounts

    with store.lock:
        match (verb, path):
            case ("POST", "/_fake/faults"):
                facts = {
                    name: given[name] for name in ("times", "chance", "seconds") if name in given
                }
                store.faults.order(str(given.get("kind", "")), str(given.get("on", "")), **facts)
            case ("DELETE", "/_fake/faults"):
                store.faults.orders.clear()
            case ("POST", "/_fake/clock"):
                store.advance(int(given["seconds"]))
            case ("POST", "/_fake/pay"):
                checkout.pay(store, given["session"], given.get("card", "4242424242424242"))
            case ("POST", "/_fake/onboard"):
                accounts.onboard(store, given["account"], given.get("bank", "000123456789"))
            case ("POST", "/_fake/restrict"):
                accounts.restrict(store, given["account"])
            case ("POST", "/_fake/pay_out"):
                payouts.pay_out(store, given["account"])
            case ("GET", "/_fake/state"):
                pass
            case _:
                raise Refusal("There is no such lever.", status=404)
        tick(store)
        store.save()
        return {
            "now": store.now(),
            "faults": len(store.faults.orders),
            "transfers": sum(1 for _ in store.all("transfer")),
            "transferred": sum(one["amount"] for one in store.all("transfer")),
            "charges": sum(1 for _ in store.all("charge")),
            "balance": balances.sums(store, ""),
        }
