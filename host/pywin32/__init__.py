"""pywin32's `isapi` API: modules that were written for it run unchanged.

They see the package `isapi` and the few win32 modules that such code imports through an `__import__` of their own
(`private_imports`); for everybody else in the worker these names do not exist. `extension` and `filter` carry what
`__ExtensionFactory__` and `__FilterFactory__` make onto `host.isapi` and the filter hooks of `host.api`.
"""
