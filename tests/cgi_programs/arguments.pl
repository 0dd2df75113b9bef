#!/usr/bin/perl
# Its arguments, one a line.
print "Content-Type: text/plain\r\n\r\n";
print "[$_]\n" for @ARGV;
