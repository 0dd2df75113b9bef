#!/usr/bin/env python3
# An upload form's other half, as it was written in the days of Python 2.
import cgi
import cgitb
import os

cgitb.enable()
form = cgi.FieldStorage()
item = form["file"]
print("Content-Type: text/plain")
print()
print("title=%s" % form.getvalue("title"))
print("name=%s size=%d" % (os.path.basename(item.filename), len(item.file.read())))
print("cgi=%s" % cgi.__file__)
