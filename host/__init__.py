"""isapy: a multi-process plugin host for Linux. The import package is called `host`; the command is `isapy`."""

from host.compiled import finder as _compiled_modules

__version__ = "0.1.0"

_compiled_modules.install()
