#!/usr/bin/perl
# Ten megabytes on standard error before the first header, and one line behind the page.
print STDERR "noise " x 170, "\n" for 1 .. 10240;
print "Content-Type: text/plain\n\nstill here\n";
print STDERR "last words\n";
