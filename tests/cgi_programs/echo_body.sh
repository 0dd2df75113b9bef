#!/bin/sh
# Writes while it reads: the body comes back as it went in.
printf 'Content-Type: application/octet-stream\nX-Length: %s\n\n' "${CONTENT_LENGTH-none}"
exec cat
