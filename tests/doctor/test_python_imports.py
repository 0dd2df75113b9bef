"""What an interpreter's word about a Python script means for the person who moves it."""

from __future__ import annotations

from host.doctor.python_imports import PythonExamination, python_findings
from host.doctor.script import Finding, Script, Severity


def found(
    examination: PythonExamination, text: bytes = b"#!/usr/bin/python3\n", python_2: str = "", *, legacy: bool = True
) -> list[Finding]:
    script = Script(path="/srv/x.py", content=text)
    program = "/usr/bin/python3"
    return list(python_findings(script, examination, program=program, python_2=python_2, has_legacy_cgi=legacy))


def test_python_2_is_recognised() -> None:
    """Its print statement, with what to do: the Python 2 that is here, or porting."""
    broken = PythonExamination(error=(2, "Missing parentheses in call to 'print'"))
    text = b"#!/usr/bin/python3\nprint 'Content-Type: text/plain'\n"
    (with_one,) = found(broken, text, "/opt/python2.7")
    (without,) = found(broken, text)
    assert (with_one.rule, with_one.line) == ("python-2", 2)
    assert "#!/opt/python2.7" in with_one.remedy
    assert "port it" in without.remedy


def test_another_error_of_syntax_is_no_python_2() -> None:
    """A script that is merely broken."""
    (finding,) = found(PythonExamination(error=(3, "invalid syntax")), b"#!/usr/bin/python3\n\nif x\n")
    assert (finding.rule, finding.severity, finding.line) == ("python-syntax", Severity.ERROR, 3)


def test_cgi_is_given_by_isapy() -> None:
    """A note where legacy-cgi is installed, an error with its name where not."""
    lacks = PythonExamination(missing=[("cgi", 2, True)])
    (given,) = found(lacks)
    (lacking,) = found(lacks, legacy=False)
    assert (given.rule, given.severity) == ("legacy-cgi", Severity.NOTE)
    assert (lacking.severity, "legacy-cgi" in lacking.remedy) == (Severity.ERROR, True)


def test_missing_modules() -> None:
    """An error, a warning for what is imported in some cases, and the new name of one that was renamed."""
    lacks = PythonExamination(missing=[("MySQLdb", 2, True), ("simplejson", 3, False), ("urllib2", 4, True)])
    findings = found(lacks)
    assert [finding.severity for finding in findings] == [Severity.ERROR, Severity.WARNING, Severity.ERROR]
    assert "pip install MySQLdb" in findings[0].remedy
    assert "urllib.request" in findings[2].remedy


def test_a_script_that_changes_its_path_may_find_more() -> None:
    """No error where only the run could tell."""
    lacks = PythonExamination(missing=[("mine", 3, True)])
    (finding,) = found(lacks, b"#!/usr/bin/python3\nimport sys; sys.path.append('/srv/lib')\nimport mine\n")
    assert finding.severity is Severity.WARNING
