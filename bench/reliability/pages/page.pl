#!/usr/bin/perl
my ($number) = $ENV{QUERY_STRING} =~ /n=(\d+)/;
print "Content-Type: text/plain\r\n\r\n", "page $number\n" x (1 + $number % 40);
