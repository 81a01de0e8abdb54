"""A stand-in for Stripe: a small server with a memory of its own, driven by the real client.

Every request is checked against the typed parameters of the installed ``stripe`` package, and
every answer against its typed objects (in the tests), so that a new version of the package is
checked by itself. That is what may be claimed: *checked against the typed parameters of the
installed package*, not "works with Stripe". The proof of that is the gateway's test module run
with ``STRIPE_TEST_KEY`` against Stripe's own test mode.

It keeps Stripe's habits and not only its shapes: charges land in pending and become available,
transfers need available money, answers are stored under their idempotency key (failures too) and
forgotten after a day, notices are signed, and faults come on demand.
"""

from payments.fakestripe.server import FakeStripe

__all__ = ["FakeStripe"]
