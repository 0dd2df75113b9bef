"""isapy: a multi-process plugin host for Linux. The import package is called `host`; the command is `isapy`."""

__version__ = "0.1.0"
