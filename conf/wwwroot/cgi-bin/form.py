#!/usr/bin/env python3
"""A form with an upload, written as one wrote CGI scripts for twenty-five years: import cgi, FieldStorage, print.

Python 3.13 dropped the cgi module; isapy puts legacy-cgi on the path of Python CGI scripts, so this still runs.
"""

import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.11 and 3.12 announce the end of cgi on standard error

import cgi
import hashlib
import html
import os

PAGE = """Content-Type: text/html; charset=utf-8

<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>form.py</title>
<h1>Send me something</h1>
%s
<form method="post" enctype="multipart/form-data">
<p><label>Your name <input name="name"></label></p>
<p><label>A file <input type="file" name="file"></label></p>
<p><button>Send</button></p>
</form>
<p><a href="/">Back</a></p>
</html>"""


def describe(form):
    parts = []
    if form.getvalue("name"):
        parts.append("<p>Hello %s.</p>" % html.escape(form.getfirst("name")))
    if "file" in form and form["file"].filename:
        upload = form["file"]
        data = upload.file.read()
        parts.append(
            "<p>Your file <b>%s</b> has %d bytes, SHA-256 <code>%s</code>.</p>"
            % (html.escape(upload.filename), len(data), hashlib.sha256(data).hexdigest())
        )
    return "\n".join(parts)


if os.environ.get("REQUEST_METHOD") == "POST":
    print(PAGE % describe(cgi.FieldStorage()))
else:
    print(PAGE % "")
