"""Measurements of the running product, each on a database and servers of its own."""
