#!/usr/bin/perl
use Digest::SHA qw(sha256_hex);
my ($number) = $ENV{QUERY_STRING} =~ /n=(\d+)/;
my $body = "";
while (length($body) < $ENV{CONTENT_LENGTH}) {
    my $count = read(STDIN, $body, $ENV{CONTENT_LENGTH} - length($body), length($body));
    last unless $count;
}
print "Content-Type: text/plain\r\n\r\n$number ", length($body), " ", sha256_hex($body), "\n";
