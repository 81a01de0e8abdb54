"""A small living market of made-up people and things, for looking around."""
