"""What is read out of a Perl script without running it."""

from __future__ import annotations

from host.doctor.perl_uses import perl_findings, perl_uses
from host.doctor.script import Severity

SCRIPT = b"""#!/usr/bin/perl -w
use strict; use 5.010;
use CGI qw(:standard);
use DBI ();
use lib 'lib', "../more";
  require Later::Module;
require "config.pl";
do './setup.pl';

=pod

use Documented::Only;

=cut

use if $] < 5, Old;
__END__
use Data::Only;
"""


def test_modules_files_and_folders() -> None:
    """Versions, documentation and data are no modules."""
    uses = perl_uses(SCRIPT)
    assert uses.modules == {"strict": 2, "CGI": 3, "DBI": 4, "Later::Module": 6}
    assert uses.files == {"config.pl": 7, "./setup.pl": 8}
    assert uses.folders == ("lib", "../more")
    assert uses.later == {"Later::Module"}
    assert uses.is_complete


def test_a_folder_that_only_the_run_knows() -> None:
    """What is missing may be there then: a warning, no error."""
    uses = perl_uses(b'use FindBin; use lib "$FindBin::Bin/lib";\nuse lib "$x/lib";\nuse Mine;\n')
    assert not uses.is_complete
    (finding,) = perl_findings(uses, version=(5, 36), missing=frozenset({"Mine"}), beside=frozenset())
    assert (finding.rule, finding.severity, finding.line) == ("perl-module-missing", Severity.WARNING, 3)


def test_missing_modules_name_the_package() -> None:
    """CGI.pm left Perl's own library; the remedy says where it is now."""
    missing = frozenset({"CGI", "Later::Module", "config.pl"})
    findings = list(perl_findings(perl_uses(SCRIPT), version=(5, 36), missing=missing, beside=frozenset()))
    assert [(finding.rule, finding.severity, finding.line) for finding in findings] == [
        ("perl-module-missing", Severity.ERROR, 3),
        ("perl-module-missing", Severity.WARNING, 6),
        ("perl-file-missing", Severity.ERROR, 7),
    ]
    assert "libcgi-pm-perl" in findings[0].remedy
    assert "liblater-module-perl" in findings[1].remedy


def test_the_folder_of_the_script_is_not_searched_since_5_26() -> None:
    """The commonest reason why an old script with a library beside it fails."""
    names = frozenset({"config.pl"})
    (finding,) = perl_findings(perl_uses(SCRIPT), version=(5, 36), missing=names, beside=names)
    assert finding.rule == "perl-dot-not-searched"
    assert 'require "./config.pl"' in finding.remedy
    assert list(perl_findings(perl_uses(SCRIPT), version=(5, 24), missing=names, beside=names)) == []
