"""Python applications inside a worker: WSGI (PEP 3333) and ASGI 3.0, for `extensions/wsgi.py` and `extensions/asgi.py`.

Imported with the first request for such an application: a worker without one pays nothing for it.
"""
