"""The kinds of handlers that pass one suite. A kind is one file `kind_NAME.py` here with `KIND`, see `kind.py`."""

from __future__ import annotations

import importlib
import pkgutil

from tests.conformance.handlers.kind import HandlerKind


def all_kinds() -> list[HandlerKind]:
    """Every kind there is, by name."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("kind_")]
    kinds = [importlib.import_module(f"{__name__}.{name}").KIND for name in sorted(names)]
    assert all(isinstance(kind, HandlerKind) for kind in kinds)
    return kinds
