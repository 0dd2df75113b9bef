#!/usr/bin/perl
# A Perl program without any module: reads its query string or its form, answers in HTML.
use strict;
use warnings;

my $input = $ENV{QUERY_STRING} // '';
read(STDIN, $input, $ENV{CONTENT_LENGTH}) if ($ENV{REQUEST_METHOD} // '') eq 'POST' && $ENV{CONTENT_LENGTH};

my %field;
for my $pair (split /[&;]/, $input) {
    my ($name, $value) = split /=/, $pair, 2;
    for ($name, $value) {
        $_ //= '';
        tr/+/ /;
        s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    }
    $field{$name} = $value;
}

sub html { my ($text) = @_; $text =~ s/([&<>"'])/'&#' . ord($1) . ';'/ge; return $text }

my $name = html($field{name} || 'world');
print "Content-Type: text/html; charset=utf-8\r\n\r\n";
print <<"PAGE";
<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>hello.pl</title>
<h1>Hello $name</h1>
<p>From Perl $^V, process $$.</p>
<form method="post"><label>Your name <input name="name"></label> <button>Say hello</button></form>
<p><a href="/">Back</a></p>
</html>
PAGE
