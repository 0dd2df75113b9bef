#!/bin/sh
# A piece, then waits until the test has seen it, then the rest.
printf 'Content-Type: text/plain\n\none\n'
read answer < "$HTTP_X_FIFO"
printf 'two %s\n' "$answer"
