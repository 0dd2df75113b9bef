#!/usr/bin/perl
# QUERY_STRING megabytes of output.
$SIG{PIPE} = 'DEFAULT';
print "Content-Type: application/octet-stream\n\n";
my $megabyte = "0123456789abcdef" x 65536;
print $megabyte for 1 .. $ENV{QUERY_STRING};
