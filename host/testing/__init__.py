"""For the tests of plugin authors: calls a plugin in the real worker pipeline, in the test's own process.

    from host.testing import PluginTest

    def test_it_greets():
        with PluginTest("extensions/greeting.py") as plugin:
            assert plugin.get("/any.greeting?name=you").text == "Hello you\n"

docs/testing-plugins.md tells the rest.
"""

from host.testing.answer import Answer, ReportedEvent
from host.testing.errors import NoAnswer, PluginNotLoaded
from host.testing.open_request import OpenRequest
from host.testing.plugin_test import PluginTest

__all__ = ["Answer", "NoAnswer", "OpenRequest", "PluginNotLoaded", "PluginTest", "ReportedEvent"]
