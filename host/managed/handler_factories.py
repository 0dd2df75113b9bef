"""Who makes the handlers of a mapped type, and when an instance is used again."""

from __future__ import annotations

from typing import Any, Protocol

from host.api import HttpError
from host.api.managed import HttpContext
from host.api.managed.contracts import implements
from host.managed.type_loader import TypeLoader


class Factory(Protocol):
    """What IHttpHandlerFactory offers."""

    def get_handler(self, context: HttpContext, request_type: str, url: str, path_translated: str) -> Any:
        """A handler."""

    def release_handler(self, handler: Any) -> None:
        """It has done."""


class OneSlotFactory:
    """For a handler type that is mapped directly: keeps one instance while it says `is_reusable`."""

    def __init__(self, handler_type: type) -> None:
        self._type = handler_type
        self._kept: Any = None
        self._is_taken = False

    def get_handler(self, context: HttpContext, request_type: str, url: str, path_translated: str) -> Any:
        """The kept instance, unless a request inside a request has it; else a new one."""
        del context, request_type, url, path_translated
        if self._kept is None:
            self._kept = _made(self._type)
        elif self._is_taken:
            return _made(self._type)
        self._is_taken = True
        return self._kept

    def release_handler(self, handler: Any) -> None:
        """Keep it for the next request, or drop it."""
        if handler is self._kept:
            self._is_taken = False
            if not getattr(handler, "is_reusable", False):  # it need not be derived from IHttpHandler
                self._kept = None


class HandlerFactories:
    """The factories of one application object, one for each mapped type."""

    def __init__(self, loader: TypeLoader) -> None:
        self._loader = loader
        self._factories: dict[str, Factory] = {}

    def factory(self, named: str) -> Factory:
        """The factory of that type. Raises HttpError 500.21 for a type that is neither handler nor factory."""
        known = self._factories.get(named)
        if known is None:
            known = self._factories[named] = _factory_of(self._loader.load(named), named)
        return known


def obtain(factory: Factory, context: HttpContext) -> Any:
    """A handler for the request in hand. Raises HttpError: 404.0, 414.0 for what a factory cannot find."""
    request = context.request
    try:
        handler = factory.get_handler(context, request.http_method, request.file_path, request.physical_path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise HttpError(404, 0, f"{type(factory).__name__}: {error}", win32_status=2) from error
    except OSError as error:
        if error.errno == 36:  # ENAMETOOLONG
            raise HttpError(414, 0, f"{type(factory).__name__}: {error}") from error
        raise
    if not _is_handler(handler):
        raise HttpError(500, 21, f"{type(factory).__name__} gave no handler, but {type(handler).__name__}")
    return handler


def release(factory: Factory, handler: Any) -> None:
    """Give a handler back, to a factory that wants to hear of it."""
    if implements(factory, "release_handler"):
        factory.release_handler(handler)


def _made(kind: type) -> Any:
    """An instance. Raises HttpError 500.21 for a type that wants arguments, and whatever its `__init__` raises."""
    try:
        return kind()
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:  # it was called
            raise
        detail = f"{kind.__qualname__} cannot be made without arguments: {error}"
        raise HttpError(500, 21, detail, remedy="Give its __init__ none but self.") from error


def _factory_of(found: type, named: str) -> Factory:
    if implements(found, "get_handler"):
        factory: Factory = _made(found)
        return factory
    if _is_handler(found):
        return OneSlotFactory(found)
    detail = f"{named} is neither a handler (process_request) nor a handler factory (get_handler)"
    raise HttpError(500, 21, detail, remedy="Derive it from host.api.managed.IHttpHandler or IHttpHandlerFactory.")


def _is_handler(candidate: Any) -> bool:
    return implements(candidate, "process_request") or implements(candidate, "process_request_async")
