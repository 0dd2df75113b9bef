#!/bin/sh
# The smallest CGI program: a header, an empty line, the body. Shows the variables that the server hands over
# (RFC 3875). Try /cgi-bin/env.sh/some/path?a=1 and look at PATH_INFO and QUERY_STRING.
echo "Content-Type: text/plain; charset=utf-8"
echo
env | sort
