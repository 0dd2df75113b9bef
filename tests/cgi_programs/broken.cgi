#!/usr/bin/env python3
# Fails before its first header; cgitb shows the traceback as a page.
import cgitb

cgitb.enable()
raise ValueError("told by cgitb")
