"""A Perl script cannot tell whether its interpreter was started for it: each thing it could look at, cold and warm."""

# ruff: noqa: E501  the scripts are data

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from host.wire.spawn_messages import Limits
from tests.spawner.client import SpawnerClient
from tests.spawner.warm_rig import Ending, PerlRig

PERL = "/usr/bin/perl"


@pytest.fixture
def rig(tmp_path: Path, client: SpawnerClient) -> PerlRig:
    return PerlRig(tmp_path, client, PERL)


# --- what a script sees -------------------------------------------------------------------------------------------

LOOKS = {
    "caller": "print defined caller() ? 'called' : 'main', ' ', __PACKAGE__, ' ', __FILE__, ' ', __LINE__;",
    "names": "print join ' ', map { s/[^ -~]/?/gr } sort keys %main::;",
    "modules": "use CGI; use POSIX;\nprint join ' ', map { \"$_=$INC{$_}\" } sort keys %INC;",
    "packages": "use strict;\nno strict 'refs';\nprint join ' ', map { \"$_: \" . join ' ', sort keys %$_ } qw(strict:: warnings:: Carp:: CGI:: POSIX::);",
    "search path": "print join ' ', @INC;",
    "arguments": 'print "$0 $^X @ARGV ", scalar @ARGV;',
    "command line": "open F, '/proc/self/cmdline'; print map { s/\\0+$//r =~ s/\\0/|/gr } <F>; print `cat /proc/$$/comm`;",
    "environment": 'delete $ENV{UNIQUE_ID}; print map { "$_=$ENV{$_}\\n" } sort keys %ENV; print `env | grep -v UNIQUE_ID | sort`;',
    "request mark": "open F, '/proc/self/environ'; print index(join('', <F>), \"UNIQUE_ID=$ENV{UNIQUE_ID}\\0\") >= 0;",
    "folder": "use Cwd;\nprint cwd(), umask;",
    "descriptors": "opendir D, '/proc/self/fd'; my @n = sort readdir D; print \"@n\";",
    "script's handle": "open F, '<&=3'; print sysseek F, 0, 1; print ' ', fileno(F);",
    "session": "print getpgrp() == $$, ' ', getppid() != 1;",
    "streams": "print join ' ', map { my $h = $_; map { $_ // 'undef' } fileno($h), tell($h), -t $h, eof(STDIN), PerlIO::get_layers($h) } *STDIN, *STDOUT, *STDERR;\nprint \" $| $, $\\ \" . (select);",
    "signals": "print join ' ', map { \"$_=\" . ($SIG{$_} // 'undef') } sort keys %SIG;\nopen F, '/proc/self/status'; print grep /^Sig(Blk|Cgt|Ign|Pnd)/, <F>;",
    "errors": "print 0 + $!, \"[$@][$?][$^E][\", $^S // 'u', ']', 0 + $^H, \"[${^GLOBAL_PHASE}]\";",
    "variables": "print map { (defined $_ ? $_ : 'undef') . '|' } $^W, $^O, $^V, ${^TAINT}, ${^UNICODE}, ${^UTF8LOCALE}, ${^OPEN}, $;, $\", $/, $., $_, $^A, $^L, $^P, $^F, $^D, $^M;",
    "last match": 'print defined $1 ? 1 : 0, defined $& ? 1 : 0, "@-|@+";',
    "users": 'print "$< $> $( $)";',
    "compile time": "BEGIN { print \"begin ${^GLOBAL_PHASE} \", __LINE__, ' ', defined caller() ? 'c' : 'm' }\nCHECK { print 'check ' } INIT { print 'init ' } UNITCHECK { print 'unitcheck ' } END { print \"end ${^GLOBAL_PHASE} $?\" }\nprint 'main ';",
    "begin's caller": 'sub who { my @c = caller(1); print "$c[0] $c[1] $c[2] $c[3]|" } BEGIN { who() } who();',
    "lines": "warn 'one';\n\n# line 40 \"other\"\nwarn 'two';\nprint __LINE__, __FILE__;",
    "limits": "print `ulimit -a; ulimit -n`;",
    "clock": "print time - $^T < 100 && time - $^T >= 0, ' ', (times)[0] < 5, ' ', scalar localtime 0;",
    "numbers": "print 1/4; { local $SIG{__WARN__} = sub { print 'warned' }; no warnings; my $x = undef . 'x' } printf '%s %s', 1e1000, 10 ** 20;",
    "hooks": "print defined $SIG{__WARN__} ? 1 : 0, defined $SIG{__DIE__} ? 1 : 0, scalar @{^CAPTURE}, ref \\$0;",
    "lexicals": "use strict;\nprint eval '$call; 1' ? 'seen' : $@, eval '$order; 1' ? 'seen' : $@;",
    "symbols": "use B;\nprint B::svref_2object(\\&main::x)->GV->NAME, ' ', B::main_cv()->DEPTH, ' ', ref(B::begin_av()), ref(B::end_av()), ref(B::init_av());",
    "require": "my $r = eval { require No::Such; 1 }; print $@; print do './nothing.pl' // \"none $!\";",
    "threads": "print exists $INC{'threads.pm'} ? 1 : 0, eval { require threads; threads->create(sub { 6 * 7 })->join };",
    "flock on itself": "use Fcntl ':flock';\nprint flock(DATA, LOCK_EX | LOCK_NB) ? 'locked' : $!;\n__END__\nx\n",
    "data": "print tell(DATA), ' ', fileno(DATA), ' ', -s DATA, ' ', <DATA>, $.; seek DATA, 0, 0; print 'all: ', <DATA>;\n__DATA__\nfirst\nsecond\n",
    "end of text": "print tell(DATA), scalar(<DATA>), `echo between`, <DATA>;\n__END__\nfirst\nsecond\nthird\n",
    "data in a large file": "print tell(DATA), scalar <DATA>; system 'true'; print <DATA>;\n"
    + "# filler\n" * 3000
    + "__DATA__\nfirst\nlast\n",
    "a program at compile time": "BEGIN { print `echo compile`; system 'true' }\nprint 'after ';\n"
    + "# filler\n" * 3000
    + "BEGIN { print `echo late` }\nprint __LINE__;\n",
    "coderefs": "my $f = sub { (caller 0)[3] }; print $f->(), ' ', defined &__ANON__ ? 1 : 0, exists $main::{__ANON__} ? 1 : 0;",
    "a format": "format STDOUT =\n@<<< @>>>\n'ab', 12\n.\nwrite;\nprint \"$~ $^ $= $-\";",
    "sorted hash": "my %h = map { $_ => 1 } 1 .. 9; print join ' ', sort keys %h;",
    "windows lines": "print 'one';\r\nprint \"two\\n\";\r\n",
    "documentation": "=pod\n\nuse CGI;\n\n=cut\n\nprint exists $INC{'CGI.pm'} ? 'loaded' : 'no', __LINE__;",
    "locale": "use POSIX;\nprint POSIX::setlocale(LC_ALL), ' ', POSIX::strtod('1.5'), ' ', POSIX::getcwd();",
    "encoding": "use utf8; use Encode;\nprint length('é'), encode('UTF-8', chr 8364), \"\\x{e9}\", ${^UNICODE};",
    "sprintf of handles": "print *STDOUT, ' ', \\*STDIN == \\*main::STDIN, ' ', ref \\*DATA;",
    "switches": "#!/usr/bin/perl\nprint $^W, ${^WARNING_BITS} // 'none', $^H;",
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_script_sees_the_same(rig: PerlRig, name: str) -> None:
    """Each thing that it can look at, and nothing on standard error but what it wrote."""
    assert rig.same(LOOKS[name] + "\n", "one", "two words").output


# --- how it ends --------------------------------------------------------------------------------------------------

ENDS: dict[str, str | bytes] = {
    "falls off": "print 'x'",
    "exit": "print 'x'; exit;",
    "a number": "exit 3",
    "a large number": "exit 256 + 7",
    "die": "print 'before'; die 'no luck'",
    "die with a line end": 'die "no luck\\n"',
    "die with an errno": "$! = 2; die 'x'",
    "die with a status": "$! = 0; $? = 5 << 8; die 'x'",
    "die of an object": "package E; use overload '\"\"' => sub { 'an object' }; die bless {}",
    "a handler of die": "$SIG{__DIE__} = sub { print \"handled: $_[0]\" }; die 'x'",
    "a handler of warn": "$SIG{__WARN__} = sub { print \"warned: $_[0]\" }; warn 'x'",
    "carp": "use Carp;\nsub f { confess 'deep' } sub g { f(1, 'two') } g();",
    "cgi carp": "use CGI::Carp qw(fatalsToBrowser);\ndie 'for the browser';",
    "cgi carp and cgi": "use CGI;\nuse CGI::Carp qw(fatalsToBrowser);\nprint CGI->new->header; die 'late';",
    "_exit": "use POSIX;\nprint 'lost'; POSIX::_exit(9)",
    "a signal": "$| = 1; print 'x'; kill 15, $$; sleep 100",
    "abort": "use POSIX;\nPOSIX::abort()",
    "end blocks": "END { print 'second ' } END { print 'first '; $? = 7 } print 'body '; exit 1",
    "destroy": 'package C; sub new { bless { n => $_[1] } } sub DESTROY { print "gone $_[0]{n} ${^GLOBAL_PHASE}|" } package main; our $c = C->new(1); my $d = C->new(2); { C->new(3) }',
    "an open file": "open our $f, '>', 'left'; print $f 'data';",
    "a syntax error": "print 'never';\nmy $x = ;\n",
    "many syntax errors": "print 'never';\nuse strict;\n$x = 1;\n$y = 2;\nfoo bar baz;\n",
    "a missing brace": "if (1) {\nprint 1;\n",
    "begin fails": "print 'never';\nBEGIN { die 'early' }\n",
    "use fails": "use No::Such::Module;\nprint 'never';\n",
    "a version too high": "use 7.0;\n",
    "import fails": "use POSIX qw(no_such_name);\nprint 'never';\n",
    "empty": "",
    "not a statement": "\x00\x01\x02",
    "a byte order mark": b"\xef\xbb\xbfprint 'bom';\n",
    "utf-16": "print 'wide';\n".encode("utf-16-be"),
    "latin-1": b"print '\xe9';\n",
    "no last line end": "print __LINE__;\n#",
    "warnings": 'use warnings;\nmy $x; print "a$x"; my @a = (1); print $a[5];',
    "wide character": "use warnings;\nprint chr 8364",
    "a fork": "$| = 1; if (my $p = fork) { waitpid $p, 0; print 'parent ', $? >> 8 } else { exit 5 }",
    "programs": "print `echo out; echo err >&2`; print system('exit 3') >> 8; open P, '-|', 'echo pipe'; print <P>; close P; print $?",
    "exec": "$| = 1; print 'x'; exec 'sh', '-c', 'echo $0; exit 4'",
    "closed output": "close STDOUT; print 'x'; open STDOUT, '>', 'left'; print 'data'",
    "diagnostics": "use warnings; use diagnostics;\nmy $x; print 1 + $x",
    "given a name": "$0 = 'other'; open F, '/proc/self/cmdline'; print map { s/\\0.*//sr } <F>; print `cat /proc/$$/comm`",
    "require of itself": "print 'x'; require $0 unless our $once++;",
    "deep recursion": "sub f { $_[0] ? f($_[0] - 1) : 'deep' } print f(5000)",
    "sleep and alarm": "$SIG{ALRM} = sub { print 'rang'; exit 2 }; alarm 1; select undef, undef, undef, 30",
    "a child's signal": "$SIG{CHLD} = sub { print 'child ' }; my $p = fork // die; exit 0 unless $p; waitpid $p, 0; print $?",
    "unlink itself": "print -e $0 ? 1 : 0; print ref \\&main::f",
}


@pytest.mark.parametrize("name", ENDS)
def test_a_script_ends_the_same(rig: PerlRig, name: str) -> None:
    """Exit status or signal, and every byte that it has written by then, messages of the compiler included."""
    rig.same(ENDS[name])
    left = rig.folder / "left"
    assert not left.exists() or left.read_text() == "data"


@pytest.mark.parametrize("options", [["-w"], ["-T"], ["-wT"], ["-t"], ["-X"], ["-W", "-T"]], ids=" ".join)
def test_switches_are_obeyed(tmp_path: Path, client: SpawnerClient, options: list[str]) -> None:
    """A server for each set: warnings, and what comes from outside is tainted as it was."""
    rig = PerlRig(tmp_path, client, PERL, *options)
    taint = "sub t { local $@; !eval { eval '#' . substr join('', @_), 0, 0; 1 } ? 1 : 0 }\n"
    looks = 'print "$^W ${^TAINT}|", map { "$_" } t($0), t($^X), t(@ARGV), t($ENV{PATH}), t(%ENV), t(scalar <STDIN>), t(\'x\'), t(__FILE__), t($$);\n'
    first = f"#!/usr/bin/perl {' '.join(options)}\n"
    rig.same(first + taint + looks + "my $u; print 'a' . $u;\n", "word", stdin=b"line\n")
    rig.same(first + "use CGI;\nprint CGI->new->header; system 'echo', 'x'; print $@; my $u; print \"a$u\";\n", "a=b")
    rig.same(first + "use lib 'x'; print \"@INC\"; open F, '>', $ARGV[0]; print 'opened';\n", "left")


def test_the_first_line_is_obeyed_when_others_start_perl(rig: PerlRig) -> None:
    """Perl reads it once more; a switch that a started one lacks is refused before (`test_warm_command.py`)."""
    assert rig.same("#!/usr/bin/perl\nprint $^W;\n").output == "0"
    assert rig.same("#! /usr/local/bin/perl5\n\nprint __LINE__;\n").output == "3"
    assert rig.same("#!C:\\Perl\\bin\\perl.exe\r\nuse CGI;\r\nprint __LINE__, $^W;\r\n").output == "30"


def test_bytes_go_in_and_out_unchanged(rig: PerlRig) -> None:
    """Every value of a byte, by line and by block; the rest of the input is the script's to leave."""
    body = bytes(range(256)) * 50
    text = "binmode STDIN; binmode STDOUT; read STDIN, my $d, $ARGV[0]; print scalar reverse $d;"
    assert rig.same(text, "12800", stdin=body).errors == ""
    assert rig.same('while (<STDIN>) { print "$.:$_" }', stdin=b"a\r\nb\rc\xc3\xa9\n\xff").output
    assert rig.same("print scalar <STDIN>; print `cat`;", stdin=b"first\nsecond\nthird").output.startswith("first\n")


def test_variables_of_the_pool_decide_at_the_start(rig: PerlRig) -> None:
    """Locale, time zone, Unicode and library: a server is started with them."""
    rig.environment |= {
        b"TZ": b"Asia/Tokyo",
        b"LC_ALL": b"C",
        b"PERL_UNICODE": b"SA",
        b"PERL5LIB": bytes(rig.folder),
    }
    text = 'print scalar localtime 0; print $^W, ${^UNICODE}, "@INC", chr 233, $ENV{PERL5LIB};'
    assert "Thu Jan  1 09:00:00 1970" in rig.same(text).output


# --- nothing is left of the run before ------------------------------------------------------------------------------


def test_random_numbers_differ_from_run_to_run(rig: PerlRig) -> None:
    """The forks of one server are seeded anew."""
    script = rig.write("script.pl", "use CGI;\nprint rand, ' ', rand, ' ', srand;")
    server = rig.server()
    runs = [rig.run(script, is_warm=True).output.split() for _ in range(3)]
    assert all(len(set(column)) == 3 for column in list(zip(*runs, strict=True))[:2])
    assert rig.server() == server


def test_state_is_fresh(rig: PerlRig) -> None:
    """What a run leaves in modules, its own and the library's, the next one does not find."""
    (rig.folder / "Counter.pm").write_text("package Counter; our $n = 0; 1;\n")
    text = """use CGI;
use lib '.';
use Counter;
$Counter::n++;
print "$Counter::n $CGI::seen $ENV{SEEN} ", CGI->new->param('a'), defined &main::late ? 1 : 0;
$CGI::seen = $ENV{SEEN} = 1;
eval 'sub late { 1 }';
chdir '/';
"""
    assert rig.same(text).output == "1   0"
    assert rig.same(text, "a=7").output == "1   70"


def test_a_changed_script_and_a_changed_module_are_seen_at_once(rig: PerlRig) -> None:
    """Written again within the clock's tick, with the same length: the next run is of the new text."""
    script = rig.write("script.pl", "")
    server = rig.server()
    for number in range(10, 22):
        (rig.folder / "Part.pm").write_text(f"package Part; our $v = {number}; 1;\n")
        rig.write("script.pl", f"BEGIN {{ push @INC, '.' }} use Part; print '{number} ', $Part::v;")
        assert rig.run(script, is_warm=True).output == f"{number} {number}"
    assert rig.server() == server


SHADOWS = {
    "use lib": "use lib 'lib';\nuse CGI;\n",
    "use lib later": "use strict;\nuse lib 'lib';\nuse POSIX;\nuse CGI;\n",
    "at compile time": "BEGIN { unshift @INC, 'lib' }\nuse CGI;\n",
    "a module does it": "use lib 'more';\nuse Setup;\nuse CGI;\n",
    "required": "unshift @INC, 'lib';\nrequire CGI;\n",
    "hidden": "BEGIN { $INC{'CGI.pm'} = 'mine'; $CGI::mine = 2 }\nuse CGI;\n",
    "set before": "BEGIN { $CGI::POST_MAX = 77 }\nuse CGI;\n",
    "set after": "use CGI;\nBEGIN { $CGI::POST_MAX = 77 }\n",
}


@pytest.mark.parametrize("name", SHADOWS)
def test_a_module_that_shadows_the_library_is_the_scripts_own(rig: PerlRig, name: str) -> None:
    """In a folder it adds, or under a name it takes: as for a new interpreter, whatever stands first."""
    for folder, file, text in (
        ("lib", "CGI.pm", "package CGI; our $mine = 1; 1;\n"),
        ("more", "Setup.pm", "unshift @INC, 'lib'; 1;\n"),
    ):
        (rig.folder / folder).mkdir()
        (rig.folder / folder / file).write_text(text)
    text = SHADOWS[name] + "print $CGI::mine // 'library', ' ', $INC{'CGI.pm'}, ' ', $CGI::POST_MAX // 'undef';"
    rig.same(text)


def test_a_module_in_perl5lib_is_seen_when_it_comes_and_goes(rig: PerlRig) -> None:
    """The server leaves when a file would be loaded instead of one that it has loaded; it never loads one of the
    pool's, and one remark says why scripts are cold then."""
    rig.environment[b"PERL5LIB"] = bytes(rig.folder / "lib")
    (rig.folder / "lib").mkdir()
    text = "use CGI;\nprint $CGI::mine // 'library';"
    assert rig.same(text).output == "library"
    script, module = rig.folder / rig.script_name, rig.folder / "lib" / "CGI.pm"
    for name in ("mine", "that", "this"):
        module.write_text(f"package CGI; our $mine = '{name}'; 1;\n")
        assert rig.run(script, is_warm=True).output == name
    give_up_at = time.monotonic() + 90
    while not rig.remarks and time.monotonic() < give_up_at:
        assert rig.run(script, is_warm=True).output == "this"
    assert f"{module} is loaded instead of the library's" in rig.remarks[0]
    module.unlink()
    assert rig.run(script, is_warm=True).output == "library"


def test_the_library_is_loaded_before_and_the_scripts_modules_never(rig: PerlRig) -> None:
    """A warm run finds loaded what the script's first lines name; what the user wrote runs in the fork alone."""
    (rig.folder / "Own.pm").write_text("package Own; print 'own runs '; 1;\n")
    script = rig.write("script.pl", "use POSIX;\nuse Socket;\nBEGIN { push @INC, '.' }\nuse Own;\nprint 'done';")
    server = rig.server()
    assert rig.run(script, is_warm=True).output == "own runs done"
    assert Path(f"/proc/{server}/cmdline").read_bytes().startswith(b"isapy: warm /usr/bin/perl\0")
    maps = Path(f"/proc/{server}/maps").read_bytes()
    assert (b"POSIX.so" in maps, b"Socket.so" in maps) == (True, True)
    bare = rig.write("script.pl", "print exists $INC{'POSIX.pm'} ? 1 : 0;")
    assert b"POSIX.so" not in Path(f"/proc/{rig.server()}/maps").read_bytes()
    assert rig.run(bare, is_warm=True).output == "0"


def test_an_interpreter_that_is_not_understood_is_left_alone(tmp_path: Path, client: SpawnerClient) -> None:
    """Every run is cold, and one remark says why."""
    fake = tmp_path / "perl"
    fake.write_text('#!/bin/sh\necho "no Perl here" >&2\n')
    fake.chmod(0o755)
    rig = PerlRig(tmp_path, client, str(fake))
    script = rig.write("script.pl", "")
    deadline = time.monotonic() + 90
    while not rig.remarks and time.monotonic() < deadline:
        assert rig.run(script, is_warm=True).errors == "no Perl here\n"
    for _ in range(3):
        rig.run(script, is_warm=True)
    assert len(rig.remarks) == 1
    assert "did not start: exit code 0; no Perl here" in rig.remarks[0]


# --- how it is ended ------------------------------------------------------------------------------------------------

DAEMON = """use POSIX;
$| = 1;
if (!fork) {
    setsid();
    POSIX::_exit(0) if fork;
    print "$$\\n";
    sleep 1000;
}
sleep 1000;
"""


def test_the_whole_tree_is_killed(rig: PerlRig) -> None:
    """Also what has left the session without an exec: the kernel shows the request's mark in a fork's environment."""
    script = rig.write("script.pl", DAEMON)
    server = rig.server()
    launched = rig.launch(script, is_warm=True)
    daemon = int(launched.read_line())
    rig.client.kill(launched.number)
    assert launched.status() == -signal.SIGTERM
    deadline = time.monotonic() + 90
    while os.path.exists(f"/proc/{daemon}") and time.monotonic() < deadline:
        os.sched_yield()
    assert not os.path.exists(f"/proc/{daemon}")
    launched.close()
    assert rig.server() == server


def test_limits_are_those_of_the_request(rig: PerlRig) -> None:
    """Set in the fork, soft and hard; the next one has none."""
    text = "open F, '/proc/self/limits'; print map { join(' ', (split)[0 .. 4]) . '|' } grep /cpu|open files|processes|address/, <F>;"
    script = rig.write("script.pl", text)
    limits = Limits(processor_seconds=7, address_space_bytes=1 << 30, open_files=40, processes=5000)
    rig.server()
    cold, warm = (rig.run(script, is_warm=is_warm, limits=limits) for is_warm in (False, True))
    assert warm == cold
    assert all(word in warm.output for word in ("7 7", "40 40", "5000 5000", "1073741824"))
    assert rig.run(script, is_warm=True) == rig.run(script, is_warm=False) != warm


def test_when_a_server_is_killed_its_scripts_go_on_and_a_new_one_comes(rig: PerlRig) -> None:
    """They are the parent's children then: their status is known. One remark says what has happened."""
    server = rig.server()
    wait = rig.write("wait.pl", '$| = 1; print "w\\n"; print scalar <STDIN>; sleep 1000')
    ends = rig.launch(
        rig.write("ends.pl", '$| = 1; print "w\\n"; sleep 1 while getppid() == $ARGV[0]; exit 6'),
        str(server),
        is_warm=True,
    )
    waiting = rig.launch(wait, is_warm=True)
    assert (ends.read_line(), waiting.read_line()) == (b"w\n", b"w\n")
    os.kill(server, signal.SIGKILL)
    assert ends.status() == 6
    rig.client.kill(waiting.number)
    assert waiting.status() == -signal.SIGTERM
    ends.close()
    waiting.close()
    assert rig.server() != server
    assert [remark for remark in rig.remarks if f"(process {server}) has ended: signal 9" in remark]


def test_a_script_that_crashes_warm_is_cold_from_then_on(rig: PerlRig) -> None:
    """Until it changes; one remark says so, other scripts stay warm."""
    server = rig.server()
    text = "$| = 1; print getppid; kill 'ABRT', $$; sleep 100;\n"
    script = rig.write("crash.pl", text)
    parent = rig.client.process.process.pid
    outputs = [rig.run(script, is_warm=True).output for _ in range(2)]
    assert outputs == [str(server), str(parent)]
    assert [remark for remark in rig.remarks if "is started cold until it changes: ended by signal 6" in remark]
    rig.write("crash.pl", text + "# changed\n")
    assert rig.run(script, is_warm=True).output == str(server)


def test_a_hundred_runs_leave_nothing(rig: PerlRig) -> None:
    """Neither descriptors nor children, in the server and in the pool's parent."""
    script = rig.write("script.pl", "use CGI;\nprint scalar CGI->new->param('a');")
    server, parent = rig.server(), rig.client.process.process.pid

    def counts() -> list[int]:
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (server, parent)]

    rig.run(script, is_warm=True)
    before = counts()
    for _ in range(100):
        assert rig.run(script, "a=1", is_warm=True) == Ending("1", "", 0)
    deadline = time.monotonic() + 90
    while any(now > then for now, then in zip(counts(), before, strict=True)):  # it answers before it closes its own
        assert time.monotonic() < deadline, (before, counts())
    assert rig.server() == server
    children = Path(f"/proc/{server}/task/{server}/children")
    while children.read_text() and time.monotonic() < deadline:
        os.sched_yield()  # a status is told just before its process is reaped
    assert not children.read_text()


def test_a_fork_is_made_with_few_system_calls(rig: PerlRig) -> None:
    """Each place of the interpreter's memory that has the server's path is written over: one or two, not one for each of
    the server's statements."""
    script = rig.write(rig.script_name, "open F, '/proc/self/io'; print join ' ', map { /^sysc[rw]: (\\d+)/ } <F>;\n")
    rig.server()
    reads, writes = rig.run(script, is_warm=True).output.split()
    assert int(reads) < 30
    assert int(writes) < 20
