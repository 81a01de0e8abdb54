"""Recorded crowd answers played through the running product over HTTP."""
