#!/bin/sh
# Prints what the test put into the field X-Answer, backslash sequences expanded; ends with X-Exit.
printf '%b' "$HTTP_X_ANSWER"
case "$HTTP_X_EXIT" in
    SIG*) kill -"${HTTP_X_EXIT#SIG}" $$ ;;
    *) exit "${HTTP_X_EXIT:-0}" ;;
esac
