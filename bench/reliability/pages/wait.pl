#!/usr/bin/perl
my ($number) = $ENV{QUERY_STRING} =~ /n=(\d+)/;
select undef, undef, undef, 0.2;
print "Content-Type: text/plain\r\n\r\nwaited $number\n";
