"""What is outside: Stripe."""
