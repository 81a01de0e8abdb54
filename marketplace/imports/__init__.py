"""Readers of what requesters upload: one file per format, one row shape above them."""
