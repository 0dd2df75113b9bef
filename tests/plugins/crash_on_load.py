"""Raises while it is imported, after it has named a mapping."""

from host.api import HandlerMapping

MAPPINGS = [HandlerMapping(name="Crash", path="*.crash", verbs="GET")]

raise RuntimeError("the database is not there")
