#!/usr/bin/perl
# Every byte of its answer in a write of its own.
use strict;
my $answer = "Content-Type: text/plain\r\nX-Slow: yes\r\n\r\nslowly";
syswrite(STDOUT, substr($answer, $_, 1)) for 0 .. length($answer) - 1;
