#!/bin/sh
# Never ends, and neither do its children: one in its group, one in a session of its own, one orphaned and deaf to
# SIGTERM. Their process ids are in the file that X-Pids names; with a query of "page" it answers first.
trap '' PIPE
sleep 1000 & echo $! >> "$HTTP_X_PIDS"
setsid sh -c 'echo $$ >> "$HTTP_X_PIDS"; exec sleep 1000' &
(setsid sh -c 'trap "" TERM; echo $$ >> "$HTTP_X_PIDS"; while :; do sleep 1000; done' &)
echo $$ >> "$HTTP_X_PIDS"
while [ "$(wc -l < "$HTTP_X_PIDS")" -lt 4 ]; do :; done
if [ "$QUERY_STRING" = page ]; then printf 'Content-Type: text/plain\n\nfirst piece\n'; fi
wait
