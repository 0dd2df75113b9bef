"""`global_asax.py` at an application's root: the class of its objects, and methods that subscribe by their names."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from host.api.managed import EVENTS, HttpApplication
from host.api.managed.events import Event, count_arguments
from host.managed.type_loader import TypeLoader

FILE_NAMES: Final = ("global_asax.py", "Global.py", "global.asax.py")
"""Names of the file, in the order in which they are looked for."""

_EVENT_OF: Final = {name.replace("_", ""): name for name in EVENTS}
_LIFE: Final = {"start": "start", "onstart": "start", "end": "end", "onend": "end"}


def find_file(folder: str) -> str:
    """The application's file, or an empty text."""
    paths = (os.path.join(folder, name) for name in FILE_NAMES)
    return next((path for path in paths if os.path.isfile(path)), "")


def application_class(loader: TypeLoader) -> type[HttpApplication]:
    """The class of the application's objects: the file's subclass of HttpApplication, one made of its functions, or
    HttpApplication itself. Raises whatever the file raises."""
    path = find_file(loader.folder)
    if not path:
        return HttpApplication
    module = loader.load_file(path, "global_asax")
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, HttpApplication) and value.__module__ == module.__name__
    ]
    return own[-1] if own else _class_of_functions(module)


def _class_of_functions(module: ModuleType) -> type[HttpApplication]:
    """Functions of the file that are named like events; they are called without the object in front."""
    functions = {
        name: staticmethod(value)
        for name, value in vars(module).items()
        if callable(value) and not isinstance(value, type) and _is_hooked_name(name)
    }
    return type("global_asax", (HttpApplication,), functions)


def life_method(application: HttpApplication, name: str) -> Callable[[], Any] | None:
    """`Application_Start` ("start") or `Application_End` ("end") of the class, ready to be called."""
    for attribute in dir(type(application)):
        prefix, underscore, rest = attribute.partition("_")
        if underscore and prefix.lower() == "application" and _LIFE.get(rest.replace("_", "").lower()) == name:
            method = getattr(application, attribute)
            arguments = (application, None)[: count_arguments(method)]
            return lambda: method(*arguments)
    return None


def subscribe_by_name(application: HttpApplication) -> None:
    """Every method `Application_<Event>`, `Application_On<Event>` or `<Module>_<Event>` of the class."""
    for attribute in dir(type(application)):
        if not _is_hooked_name(attribute) or not callable(getattr(type(application), attribute, None)):
            continue
        prefix, _, rest = attribute.partition("_")
        name = rest.replace("_", "").lower()
        if prefix.lower() == "application":
            event = _EVENT_OF.get(name) or _EVENT_OF.get(name.removeprefix("on"))
            if event is not None:
                slot = getattr(application, event)
                slot += getattr(application, attribute)
        else:
            _subscribe_to_module(application, prefix, name, getattr(application, attribute))


def _subscribe_to_module(application: HttpApplication, prefix: str, name: str, handler: Any) -> None:
    module = next((one for key, one in application.modules.items() if key.lower() == prefix.lower()), None)
    for attribute, value in vars(module).items() if module is not None else ():
        if isinstance(value, Event) and attribute.replace("_", "").lower() in (name, name.removeprefix("on")):
            value.add(handler)


def _is_hooked_name(name: str) -> bool:
    return not name.startswith("_") and "_" in name and not hasattr(HttpApplication, name)
