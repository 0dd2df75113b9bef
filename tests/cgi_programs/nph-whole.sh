#!/bin/sh
# Speaks HTTP itself.
printf 'HTTP/1.1 418 Short and stout\r\nX-Own: yes\r\nContent-Length: 6\r\n\r\nteapot'
