# An SCGI server on Debian's SCGI library: perl scgi.pl PORT
use strict;
use warnings;
use IO::Socket;
use SCGI;

my $socket = IO::Socket::INET->new(Listen => 5, ReuseAddr => 1, LocalAddr => '127.0.0.1', LocalPort => $ARGV[0])
  or die "cannot bind: $!";
$| = 1;
print "listening\n";
my $scgi = SCGI->new($socket, blocking => 1);
while (my $request = $scgi->accept) {
    $request->read_env;
    my $env = $request->env;
    my $length = $env->{CONTENT_LENGTH};
    my $body = '';
    while (length($body) < $length) {
        read($request->connection, $body, $length - length($body), length($body)) or last;
    }
    my $connection = $request->connection;
    print $connection "Status: 202 Taken\r\nContent-Type: text/plain\r\n\r\n";
    print $connection "$env->{REQUEST_METHOD} $env->{SCRIPT_NAME} $env->{PATH_INFO} $env->{SCGI} ", length($body), "\n", $body;
    $request->close;
}
