"""Whole folders, judged with the interpreters of this machine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from host.doctor.examination import Verdict, examine
from host.doctor.gather import identity_of, scripts_of

PERL = shutil.which("perl") or ""


def write(folder: Path, name: str, text: str, mode: int = 0o755) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def judged(folder: Path, *, runs_perl: bool = False) -> dict[str, Verdict]:
    verdicts = examine(scripts_of(folder), identity_of(), runs_perl=runs_perl)
    return {str(Path(verdict.script.path).relative_to(folder)): verdict for verdict in verdicts}


def rules(verdict: Verdict) -> list[str]:
    return [finding.rule for finding in verdict.findings]


def test_python_scripts_are_judged_by_their_interpreter(tmp_path: Path) -> None:
    """Compiled and not run; modules beside the script are found, and what is imported alone is no script."""
    mark = tmp_path / "ran"
    shebang = f"#!{sys.executable}\n"
    runs = f"open({str(mark)!r}, 'w')\n"
    write(tmp_path, "good.py", shebang + runs + "import json, mine, os.path\n")
    write(tmp_path, "mine.py", runs, 0o644)
    write(tmp_path, "two.py", shebang + "print 'hello'\n")
    write(tmp_path, "lacks.py", shebang + runs + "import no_such_module.deep\n")
    write(tmp_path, "may.py", shebang + runs + "try:\n    import no_such_module\nexcept ImportError:\n    pass\n")
    verdicts = judged(tmp_path)
    assert {name: rules(verdict) for name, verdict in verdicts.items()} == {
        "good.py": [],
        "lacks.py": ["python-module-missing"],
        "may.py": ["python-module-missing"],
        "two.py": ["python-2"],
    }
    assert [name for name, verdict in verdicts.items() if verdict.will_run] == ["good.py", "may.py"]
    assert not mark.exists()


def test_perl_scripts_are_judged_without_being_run(tmp_path: Path) -> None:
    """BEGIN blocks are not run unless perl -c is asked for; modules are searched for in that Perl's folders."""
    mark = tmp_path / "ran"
    shebang = f"#!{PERL}\n"
    begin = f"BEGIN {{ open my $f, '>', '{mark}' }}\n"
    write(tmp_path, "good.pl", shebang + begin + 'use strict; use lib "lib"; use Mine;\nrequire "./part.pl";\n')
    write(tmp_path, "lib/Mine.pm", "1;\n", 0o644)
    write(tmp_path, "part.pl", "1;\n", 0o644)
    write(tmp_path, "dot.pl", shebang + 'require "part.pl";\n')
    write(tmp_path, "lacks.pl", shebang + "use No::Such::Module;\n")
    write(tmp_path, "wrong.pl", shebang + "if (\n")
    expected = {"good.pl": [], "dot.pl": ["perl-dot-not-searched"], "lacks.pl": ["perl-module-missing"], "wrong.pl": []}
    assert {name: rules(verdict) for name, verdict in judged(tmp_path).items()} == expected
    assert not mark.exists()
    asked = judged(tmp_path, runs_perl=True)
    assert (rules(asked["wrong.pl"]), mark.exists()) == (["syntax"], True)


def test_shells_say_what_they_think_of_the_syntax(tmp_path: Path) -> None:
    """sh -n reads and does not run."""
    mark = tmp_path / "ran"
    write(tmp_path, "good.sh", f"#!/bin/sh\n: > {mark}\n")
    write(tmp_path, "wrong.sh", f"#!/bin/sh\n: > {mark}\nif true\n")
    verdicts = judged(tmp_path)
    assert (rules(verdicts["good.sh"]), rules(verdicts["wrong.sh"])) == ([], ["syntax"])
    assert not mark.exists()


def test_a_windows_first_line_is_judged_with_the_interpreter_of_this_machine(tmp_path: Path) -> None:
    """What else is wrong is told at once, not after the first line was corrected."""
    write(tmp_path, "x.pl", "#!C:\\Perl\\bin\\perl.exe\nuse No::Such::Module;\n")
    (verdict,) = judged(tmp_path).values()
    assert sorted(rules(verdict)) == ["perl-module-missing", "windows-interpreter"]
    (first_line,) = (finding for finding in verdict.findings if finding.rule == "windows-interpreter")
    assert f"#!{verdict.interpreter}" in first_line.remedy


def test_what_is_looked_at(tmp_path: Path) -> None:
    """By extension everywhere, by their look in cgi-bin; data, hidden folders and folders are passed over."""
    write(tmp_path, "index.html", "<p>")
    write(tmp_path, "tool", "#!/bin/sh\n")
    write(tmp_path, ".git/hook.sh", "#!/bin/sh\n")
    write(tmp_path, "cgi-bin/tool", "#!/bin/sh\n")
    write(tmp_path, "cgi-bin/data.txt", "x", 0o644)
    (tmp_path / "folder.cgi").mkdir()
    assert list(judged(tmp_path)) == ["cgi-bin/tool"]


def test_a_link_that_leads_to_nothing_is_named(tmp_path: Path) -> None:
    """As a copy of a folder has them whose links led elsewhere; its URL is 404."""
    (tmp_path / "cgi-bin").mkdir()
    for name in ("cgi-bin/gone", "gone.pl", "page.html"):
        (tmp_path / name).symlink_to("/usr/lib/old/gone.pl")
    verdicts = judged(tmp_path)
    assert {name: rules(verdict) for name, verdict in verdicts.items()} == {
        "cgi-bin/gone": ["dangling-link"],
        "gone.pl": ["dangling-link"],
    }
    finding = verdicts["cgi-bin/gone"].findings[0]
    assert "/usr/lib/old/gone.pl, where nothing is" in finding.text
    assert not verdicts["cgi-bin/gone"].will_run


def test_a_link_that_leads_out_of_the_site_is_not_served(tmp_path: Path) -> None:
    """Whoever looks at cgi-bin alone means the site above it, so that a link within the site is none."""
    site = tmp_path / "site"
    write(tmp_path, "elsewhere/tool.cgi", "#!/bin/sh\n")
    write(site, "lib/inside.cgi", "#!/bin/sh\n")
    (site / "cgi-bin").mkdir()
    (site / "cgi-bin" / "in").symlink_to("../lib/inside.cgi")
    (site / "cgi-bin" / "out").symlink_to(tmp_path / "elsewhere" / "tool.cgi")
    for folder, prefix in ((site, "cgi-bin/"), (site / "cgi-bin", "")):
        verdicts = judged(folder)
        assert rules(verdicts[f"{prefix}in"]) == []
        assert rules(verdicts[f"{prefix}out"]) == ["leads-outside"]
        assert str(tmp_path / "elsewhere" / "tool.cgi") in verdicts[f"{prefix}out"].findings[0].text


@pytest.mark.parametrize("shebang", ["#!/bin/false", "#!/usr/bin/env false"])
def test_an_interpreter_of_another_name_is_not_asked(tmp_path: Path, shebang: str) -> None:
    """Nothing is known of its language, so nothing is said of it."""
    write(tmp_path, "x.cgi", shebang + "\n")
    (verdict,) = judged(tmp_path).values()
    assert rules(verdict) == []


def test_an_interpreter_that_does_not_answer(tmp_path: Path) -> None:
    """It is told as what it is: scripts would fail with it as well."""
    write(tmp_path, "python3", "#!/bin/sh\nexit 1\n")
    write(tmp_path, "x.py", f"#!{tmp_path}/python3\n")
    verdict = judged(tmp_path)["x.py"]
    assert (rules(verdict), verdict.will_run) == (["interpreter-silent"], False)
