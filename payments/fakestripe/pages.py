"""The two pages people see: Checkout, where a test card pays, and the set-up of an account."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs

from payments.fakestripe import accounts, checkout
from payments.fakestripe.problems import Refusal
from payments.fakestripe.store import Store

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 30rem; margin: 3rem auto; padding: 0 1rem;
  color: #1a1f36; background: #f6f8fa }}
main {{ background: #fff; border: 1px solid #d8dee4; border-radius: 8px; padding: 1.5rem }}
label {{ display: block; margin: 1rem 0 .25rem; font-weight: 600 }}
input, select {{ font: inherit; width: 100%; box-sizing: border-box; padding: .5rem;
  border: 1px solid #8792a2; border-radius: 6px; background: #fff; color: inherit }}
button {{ font: inherit; font-weight: 600; margin-top: 1.25rem; width: 100%; padding: .6rem;
  border: 0; border-radius: 6px; background: #533afd; color: #fff; cursor: pointer }}
.note {{ color: #596171; font-size: .9rem }} .bad {{ color: #b3093c; font-weight: 600 }}
</style></head><body><main><h1>{title}</h1>{body}</main>
<p class="note">This is a stand-in for Stripe on this machine. No money moves.</p></body></html>"""


@dataclass(frozen=True)
class Shown:
    """A page, or where to go."""

    status: int
    html: str = ""
    location: str = ""


def show(store: Store, verb: str, path: str, body: str) -> Shown:
    """Answer a request for one of the pages."""
    given = {name: values[-1] for name, values in parse_qs(body).items()}
    parts = path.strip("/").split("/")
    try:
        with store.lock:
            if parts[:2] == ["c", "pay"] and len(parts) == 3:
                return _checkout(store, verb, parts[2], given)
            if parts[:1] == ["setup"] and len(parts) == 2:
                return _setup(store, verb, parts[1], given)
    except Refusal as refusal:
        return Shown(refusal.status, _render("Not possible", f"<p>{escape(str(refusal))}</p>"))
    finally:
        store.save()
    return Shown(404, _render("Nothing here", "<p>There is no such page.</p>"))


def _checkout(store: Store, verb: str, session_id: str, given: dict[str, str]) -> Shown:
    session = store.get("checkout.session", session_id)
    problem = ""
    if verb == "POST" and session["status"] == "open":
        declined = checkout.pay(store, session_id, given.get("card", ""))
        problem = (
            f'<p class="bad">The card was declined: {escape(declined)}.</p>' if declined else ""
        )
    if session["status"] == "complete":
        return Shown(
            303, location=session["success_url"].replace("{CHECKOUT_SESSION_ID}", session_id)
        )
    if session["status"] != "open":
        return Shown(410, _render("Expired", "<p>This payment page has expired.</p>"))
    cards = "".join(
        f'<option value="{number}">{number}: {escape(what.replace("_", " "))}</option>'
        for number, what in checkout.CARDS.items()
    )
    amount = f"{session['amount_total'] / 100:,.2f} {escape(session['currency'].upper())}"
    back = (
        f'<p><a href="{escape(session["cancel_url"])}">Back</a></p>'
        if session["cancel_url"]
        else ""
    )
    return Shown(
        200,
        _render(
            f"Pay {amount}",
            f"{problem}<form method='post'><label for='card'>Test card and what it does</label>"
            f"<select id='card' name='card'>{cards}</select><button>Pay {amount}</button></form>{back}",
        ),
    )


def _setup(store: Store, verb: str, token: str, given: dict[str, str]) -> Shown:
    link = store.hidden.get(f"link:{token}")
    if link is None:
        return Shown(
            410, _render("Used up", "<p>This link was good for once. Ask for another.</p>")
        )
    if link["expires_at"] <= store.now():
        return Shown(303, location=link["refresh_url"])
    if verb == "POST":
        del store.hidden[f"link:{token}"]
        accounts.onboard(store, link["account"], given.get("bank") or accounts.own_number())
        return Shown(303, location=link["return_url"])
    # Test numbers are everybody's; a number of one's own is what people have.
    offered = {accounts.own_number(): "arrives, nobody else's", **accounts.BANKS}
    banks = "".join(
        f'<option value="{number}">{number}: {escape(why.replace("_", " ") or "arrives")}</option>'
        for number, why in offered.items()
    )
    return Shown(
        200,
        _render(
            "Set up your payouts",
            "<p>Stripe would ask for your name, your birthday and a document here.</p>"
            "<form method='post'><label for='bank'>Test bank account and what it does</label>"
            f"<select id='bank' name='bank'>{banks}</select><button>Complete</button></form>",
        ),
    )


def _render(title: str, body: str) -> str:
    return _PAGE.format(title=escape(title), body=body)
