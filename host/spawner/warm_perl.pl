# line 2 "warm_perl.pl"
# A warm Perl: runs CGI scripts in forks of itself. Started by `warm_servers.py` with the script's own interpreter; needs
# Perl 5.16 or later on 64-bit Linux, and no module: whatever were loaded here a script would find loaded.
#
#   perl [-wTtWX] warm_perl.pl MACHINE [MODULE ...] [ROOM FOR THE COMMAND LINE]      the socket is standard input
#
# All of it is one BEGIN block, so that a fork returns from it in the middle of the compilation of the main program, and
# Perl reads on: from what descriptor 3 (this file, until then) names by now, the script. So the script *is* the main
# program, `caller`, __FILE__, DATA, BEGIN, INIT, END, switches of the first line, messages and exit status included.
# The server loads what the script's first `use` lines name, without importing it, and compiles no line of a user's.
# What core Perl has no words for is asked of the kernel by number; nothing here may be seen by a script afterwards.
# The first line gives a short name: each statement has a copy of it, and the path, which has room for any script's, must be
# written over in every fork wherever it stands.
#
# Packets are fields of four bytes of length and content: number, script, name for ps, request id, directory, four
# limits, count of argv, count of the words before it, all these words, environment; with three descriptors. Answers are
# a letter and two 64-bit numbers, as of `warm_python.py`. The loop ends when the socket does; a child is reaped after
# its status was told, so that it falls to the pool's parent, status and all, when the server dies before.
BEGIN {
    my $give_up = sub {    # in one line, which becomes an event
        print STDERR $_[0];
        exit 2;
    };
    my %calls = (
        x86_64 => {
            read => 0, write => 1, close => 3, sigprocmask => 14, recvmsg => 47, setsid => 112, prctl => 157,
            exit => 231, waitid => 247, signalfd => 289, dup3 => 292, pipe2 => 293, prlimit => 302,
        },
        aarch64 => {
            dup3 => 24, close => 57, pipe2 => 59, read => 63, write => 64, signalfd => 74, exit => 94, waitid => 95,
            sigprocmask => 135, setsid => 157, prctl => 167, recvmsg => 212, prlimit => 261,
        },
    );
    $calls{riscv64} = $calls{aarch64};
    my ($machine, @modules) = map { /^([\w:]+)$/ ? $1 : () } @ARGV;
    my $call = $calls{ $machine // '' };
    $give_up->("a warm interpreter is Perl 5.16 or later on 64-bit Linux\n")
        if $] < 5.016 || !$call || length(pack 'P', 'x') != 8;
    my $tainted = substr("$0$^X", 0, 0);

    my $trusted = sub { return $_[0] =~ /\A(.*)\z/s ? $1 : '' };    # the kernel's word, and ours
    my $slurp = sub {
        open my $file, '<', $_[0] or $give_up->("$_[0]: $!\n");
        local $/;
        return $trusted->(scalar <$file>);
    };
    my $pipe = sub {            # without handles, which ask the kernel six things about it
        my $ends = pack 'l2';
        syscall($call->{pipe2}, $ends, 02000000) == 0 or $give_up->("pipe: $!\n");
        return unpack 'l2', $ends;
    };
    my $write_memory = sub {    # by the kernel, which reads from a pipe: a sandbox may have /proc read-only
        my ($content, @addresses) = @_;
        my ($from, $to) = $pipe->();
        my $size = length $content;
        for my $address (@addresses) {
            syscall($call->{write}, $to, $content, $size) == $size or $give_up->("pipe: $!\n");
            syscall($call->{read}, $from, $address + 0, $size) == $size or $give_up->("memory: $!\n");
        }
        syscall($call->{close}, $_) for $from, $to;
    };

    # --- what ps shows of a process, and by which a request's processes are found: argv and environment, side by side
    my ($start, $middle, $end) = map { $_ + 0 } (split ' ', $slurp->('/proc/self/stat') =~ s/.*\)//sr)[45, 46, 48];
    my $environment_shown = $slurp->('/proc/self/environ');
    my $mark_at = index $environment_shown, 'UNIQUE_ID=';
    $give_up->("no place for what ps shows\n") if $mark_at < 0 || $start >= $middle || $end - $start > 60000;
    my $show = sub {
        my ($mark, @words) = @_;
        my $shown = substr join("\0", @words), 0, $middle - $start - 1;
        my $environment = $environment_shown;
        substr $environment, $mark_at + 10, 64, pack 'a64', $mark;
        $write_memory->(pack('a' . ($middle - $start), $shown) . $environment, $start);
    };

    # --- two things of the interpreter's on its heap that no word of Perl reaches
    my ($own_name, @names, @positions) = $trusted->($0);
    if ($slurp->('/proc/self/maps') =~ /^([0-9a-f]+)-([0-9a-f]+) .*\[heap\]$/m) {
        my ($from, $to) = map { unpack 'Q>', pack 'H16', substr '0' x 16 . $_, -16 } $1, $2;
        open my $memory, '<:raw', '/proc/self/mem' or $give_up->("/proc/self/mem: $!\n");
        sysseek $memory, $from, 0;
        sysread $memory, my $heap, $to - $from;
        $heap = $trusted->($heap);
        # PL_origfilename, of "Execution of ... aborted due to compilation errors"
        my $at = -1;
        while (($at = index $heap, "$own_name\0", $at + 1) >= 0) {
            push @names, $from + $at if ($from + $at) % 16 == 0;
        }
        # where the handle that the program is read from thinks it is: PerlIOBuf's buf, end, ptr and posn, its end being
        # the end of this file; some hundred words at a time, since a value once made takes its place in every fork
        my $size = -s $own_name;
        for (my $first = 0; $first < length($heap) / 8; $first += 500) {
            my @words = unpack 'Q504', substr $heap, 8 * $first, 8 * 504;
            for my $place (0 .. $#words - 4) {
                my ($buffer, $stop, $next, $position, $room) = @words[$place .. $place + 4];
                next
                    if $buffer < $from || $stop <= $buffer || $next < $buffer || $next > $stop || $stop - $buffer > $room;
                push @positions, $from + 8 * ($first + $place + 3) if $position + $stop - $buffer == $size;
            }
        }
    }
    $give_up->("the interpreter's memory is not understood\n") if !@names || @positions != 1;

    # --- modules, before anything of a request is known; names that this file has made in %main:: are theirs to make
    delete @main::{ qw(! $ 1 2 ] ? BEGIN), "\cT" };
    {
        my @of_the_pool = grep { length } split /:/, $ENV{PERL5LIB} // $ENV{PERLLIB} // '';
        local @INC = grep {
            my $folder = "$_/";
            !grep { index($folder, "$_/") == 0 } @of_the_pool
        } @INC;
        for my $module (@modules) {
            (my $file = "$module.pm") =~ s{::}{/}g;
            eval { require $file } or $give_up->($@);
        }
    }
    my $stamp = sub {
        my @status = stat $_[0];
        return @status ? "@status[1, 7, 9, 10]" : '';
    };
    my %loaded = map { ($INC{$_} => $stamp->($INC{$_})) } keys %INC;
    $loaded{$^X} = $stamp->($^X);
    my @absent;    # what would be loaded instead, were it there
    for my $name (keys %INC) {
        for my $folder (@INC) {
            last if "$folder/$name" eq $INC{$name};
            push @absent, "$folder/$name";
        }
    }

    for my $file (@absent) {
        $give_up->("$file is loaded instead of the library's\n") if -e $file;
    }

    my $answer = sub {
        my $packet = pack 'a1 q3', @_, 0;
        syscall($call->{write}, 0, $packet, length $packet);
    };
    my $children = pack 'Q', 1 << 16;    # SIGCHLD
    my $none = pack 'Q', 0;
    syscall($call->{sigprocmask}, 2, $children, 0, 8);
    my $signals = syscall($call->{signalfd}, -1, $children, 8, 02004000);
    my $wanted = '';
    vec($wanted, $_, 1) = 1 for 0, $signals;
    my %launches;                        # a fork's number
    my $reap = sub {
        my $facts = "\0" x 128;
        syscall($call->{read}, $signals, $facts, 128);
        while (1) {
            $facts = "\0" x 128;
            syscall($call->{waitid}, 0, 0, $facts, 0x01000005, 0) == 0 or return;    # WNOWAIT, WEXITED, WNOHANG
            my ($code, $pid, $status) = unpack 'x8 l x4 l x4 l', $facts;
            return if !$pid;
            $answer->('E', $pid, $code == 1 ? $status : -($status & 127), delete $launches{$pid} || 0);
            waitpid $pid, 0;
        }
    };
    my $receive = sub {
        my $buffer = "\0" x 65536;
        my $control = "\0" x 32;
        my $piece = pack 'P Q', $buffer, 65536;
        my $header = pack 'Q Q P Q P Q Q', 0, 0, $piece, 1, $control, 32, 0;
        my $size = syscall($call->{recvmsg}, 0, $header, 0x40000040);    # MSG_CMSG_CLOEXEC, MSG_DONTWAIT
        return if $size < 0;
        my $used = unpack 'x40 Q', $header;
        return substr($buffer, 0, $size), $used > 16 ? unpack('x16 l*', substr $control, 0, unpack 'Q', $control) : ();
    };

    # --- the fork
    my $become = sub {
        my ($order, $script, @descriptors) = @_;
        my (undef, $path, $name, $mark, $directory, @rest) = @$order;
        my @limits = splice @rest, 0, 4;
        my ($count, $before) = splice @rest, 0, 2;
        my @arguments = splice @rest, 0, $count;
        my @prefix = splice @rest, 0, $before;
        $0 = $path . $tainted;
        $show->($mark, @prefix, @arguments);    # behind $0, which writes there, too
        syscall($call->{setsid});
        for my $place (0 .. 2) {
            syscall($call->{dup3}, $descriptors[$place], $place, 0);
        }
        syscall($call->{close}, $_) for @descriptors, $signals;
        $write_memory->("$path\0", @names);
        syscall($call->{prctl}, 15, "$name\0", 0, 0, 0);
        %ENV = ();
        for my $entry (@rest) {
            my $at = index $entry, '=';
            $ENV{ substr $entry, 0, $at } = substr($entry, $at + 1) . $tainted;
        }
        if (!chdir $directory) {
            my $complaint = "$directory: $!\n";
            syscall($call->{write}, 2, $complaint, length $complaint);
            syscall($call->{exit}, 127);
        }
        my @kinds = (0, 7, 6, 9);    # processor time, open files, processes, address space
        for my $kind (@kinds) {
            my $value = shift @limits or next;
            my $old = "\0" x 16;
            syscall($call->{prlimit}, 0, $kind, 0, $old);
            my $hard = unpack 'x8 Q', $old;
            $value = $hard if $hard < $value;
            my $new = pack 'Q2', $value, $value;
            syscall($call->{prlimit}, 0, $kind, $new, 0);
        }
        shift @arguments;
        @ARGV = map { $_ . $tainted } @arguments;
        $^T = time;

        # Two lines tell Perl where it is; then it reads the script, from its first byte.
        my ($from, $to) = $pipe->();
        my $lines = "BEGIN{&{\${^_Isapy}}}\n# line 1 \"$path\"\n";
        syscall($call->{write}, $to, $lines, length $lines);
        syscall($call->{dup3}, $from, 3, 02000000);
        syscall($call->{close}, $_) for $from, $to;
        my @kept;    # for ever: taking them apart would name them in %main::
        ${^_Isapy} = sub {
            @kept = (\$main::{BEGIN}, \@kept);
            syscall($call->{dup3}, fileno $script, 3, 02000000);
            close $script;
            $write_memory->(pack('q', -length $lines), $positions[0]);    # at 0 when the lines have been read
            delete @main::{ "\x1fIsapy", '__ANON__', 'BEGIN', "_<$own_name", '_<warm_perl.pl' };
            $^H = 0;
            syscall($call->{sigprocmask}, 2, $none, 0, 8);
            ($!, $@, $?) = (0, '', 0);
        };
    };

    my $has_changed = sub {
        for my $file (keys %loaded) {
            return 1 if $stamp->($file) ne $loaded{$file};
        }
        for my $file (@absent) {
            return 1 if -e $file;
        }
        return 0;
    };
    $show->('0' x 64, 'isapy: warm ' . $trusted->($^X));
    $answer->('R', 5, int(($] - 5) * 1000));
    while (1) {
        my $ready = $wanted;
        select $ready, undef, undef, undef;
        $reap->() if vec $ready, $signals, 1;
        my ($packet, @descriptors) = $receive->();
        next if !defined $packet;
        syscall($call->{exit}, 0) if $packet eq '';
        my @order = unpack '(N/a*)*', $packet;
        my ($what, $number, $value, $script) = ('N', $order[0], 0, undef);
        if ($has_changed->()) {
            $what = 'C';
        }
        elsif (open $script, '<', $order[1]) {
            my $pid = fork;
            if (defined $pid && !$pid) {
                # before anything else: what is not said by the one who runs would not be known if the server ended now
                $answer->('S', $number, $$) > 0 or syscall($call->{exit}, 127);
                $become->(\@order, $script, @descriptors);
                last;
            }
            $launches{$pid} = $number if defined $pid;
            ($what, $value) = defined $pid ? ('', 0) : ('N', $! + 0);
        }
        $answer->($what, $number, $value) if $what;
        syscall($call->{close}, $_) for @descriptors;
    }
}
