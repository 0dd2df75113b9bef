# isapi-wsgi as its documentation says, with an application below it.
import isapi_wsgi
from wsgiref.validate import validator


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    lines = [environ["REQUEST_METHOD"], environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"]]
    lines.append(environ.get("HTTP_X_ONE", ""))
    return [("\n".join(lines)).encode("latin-1")]


def sub(environ, start_response):
    start_response("201 Sub", [("Content-Type", "text/plain")])
    return [(environ["WSGI_SUBAPP"] + " " + environ["SCRIPT_NAME"] + " " + environ["PATH_INFO"]).encode("latin-1")]


def __ExtensionFactory__():
    import sys

    kind = isapi_wsgi.ISAPIThreadPoolHandler if "threads" in __file__ else isapi_wsgi.ISAPISimpleHandler
    return kind(application, sub=sub)
