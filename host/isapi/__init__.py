"""The ISAPI extension contract: control block, server variables, support functions, and what runs one call.

Used by `extensions/isapi.py` and by the worker for drop-in plugins with `http_extension_proc`; imported when the first
of them is there. `loaded_extension.LoadedExtension` is what a carrier (Python, pywin32, native) has to offer.
"""
