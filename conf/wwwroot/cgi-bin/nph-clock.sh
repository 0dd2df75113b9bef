#!/bin/sh
# "nph" means non-parsed headers: the program writes the whole HTTP answer itself, status line included, and every line
# reaches the client when it is written. The connection ends with the program.
printf 'HTTP/1.1 200 OK\r\n'
printf 'Content-Type: text/plain; charset=utf-8\r\n'
printf 'Cache-Control: no-cache\r\n'
printf 'Connection: close\r\n'
printf '\r\n'
count=1
while [ "$count" -le 5 ]; do
    printf '%s  tick %s of 5\n' "$(date +%T)" "$count"
    count=$((count + 1))
    [ "$count" -le 5 ] && sleep 1
done
exit 0
