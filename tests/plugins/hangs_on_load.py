"""`load` does not return."""

import threading

from host.api import PluginContext, hookimpl


@hookimpl
def load(context: PluginContext) -> None:
    threading.Event().wait()
