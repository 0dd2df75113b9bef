#!/bin/sh
# The descriptors that it was given (the listing's own is the one of ls).
printf 'Content-Type: text/plain\n\n'
ls -1 /proc/self/fd
