"""Joins the rules: facts of a folder in, findings of each script out. An interpreter is asked once for all scripts."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from host.doctor import machine
from host.doctor.content import content_findings
from host.doctor.first_line import first_line_findings, interpreter_of
from host.doctor.languages import languages_here
from host.doctor.perl_uses import PerlUses, module_file, perl_findings, perl_uses
from host.doctor.permissions import dangling_link, permission_findings
from host.doctor.python_imports import PythonExamination, python_findings
from host.doctor.script import Finding, Identity, Script, Severity

_ORDER: Final = tuple(Severity)
_PYTHON_2_NAMES: Final = ("python2.7", "python2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found about one script; `interpreter` is the program that runs it, empty when there is none."""

    script: Script
    interpreter: str
    findings: tuple[Finding, ...]

    @property
    def will_run(self) -> bool:
        """Whether nothing was found that keeps it from running."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


def examine(scripts: Iterable[Script], identity: Identity, *, runs_perl: bool = False) -> list[Verdict]:
    """A verdict for each script. `runs_perl` asks `perl -c` too, which runs BEGIN blocks."""
    scripts = list(scripts)
    programs = {script.path: _program(script) for script in scripts}
    pythons = _ask_pythons(scripts, programs)
    verdicts = []
    for script in scripts:
        if script.is_dangling:
            verdicts.append(Verdict(script=script, interpreter="", findings=(dangling_link(script),)))
            continue
        program = programs[script.path]
        findings = [
            *first_line_findings(script, machine.installed, languages_here()),
            *permission_findings(script, identity),
            *content_findings(script),
        ]
        if program and script.content is not None:
            findings += _language_findings(script, program, pythons.get(script.path), runs_perl=runs_perl)
        findings.sort(key=lambda finding: (_ORDER.index(finding.severity), finding.line))
        verdicts.append(Verdict(script=script, interpreter=program, findings=tuple(findings)))
    return verdicts


def _program(script: Script) -> str:
    """What runs it, or would if its first line were right."""
    interpreter = interpreter_of(script, machine.installed, languages_here())
    return interpreter.program or interpreter.substitute


def _ask_pythons(scripts: Iterable[Script], programs: Mapping[str, str]) -> dict[str, PythonExamination]:
    of_program: defaultdict[str, list[str]] = defaultdict(list)
    for script in scripts:
        if script.language == "python" and programs[script.path] and script.content is not None:
            of_program[programs[script.path]].append(script.path)
    found: dict[str, PythonExamination] = {}
    for program, paths in of_program.items():
        found |= machine.ask_python(program, paths)
    return found


def _language_findings(
    script: Script, program: str, python: PythonExamination | None, *, runs_perl: bool
) -> list[Finding]:
    if script.language == "python":
        if python is None:
            text = f"{program} was asked about it and did not answer: does {program} --version work?"
            return [Finding(rule="interpreter-silent", severity=Severity.ERROR, text=text)]
        second = next(filter(None, (machine.answers(name) for name in _PYTHON_2_NAMES)), "")
        has_legacy = machine.has_legacy_cgi()
        return list(python_findings(script, python, program=program, python_2=second, has_legacy_cgi=has_legacy))
    if script.language == "perl":
        return _perl(script, program, runs_perl=runs_perl)
    said = machine.syntax_error(script.language, program, script.path)
    return [Finding(rule="syntax", severity=Severity.ERROR, text=said)] if said else []


def _perl(script: Script, program: str, *, runs_perl: bool) -> list[Finding]:
    uses = perl_uses(script.text)
    files = {name: module_file(name) for name in uses.modules} | {name: name for name in uses.files}
    version, absent = machine.ask_perl(program, files.values())
    if version == (0, 0):
        text = f"{program} was asked about it and did not answer: does {program} -v work?"
        return [Finding(rule="interpreter-silent", severity=Severity.ERROR, text=text)]
    missing = frozenset(name for name, file in files.items() if file in absent and not _is_added(script, uses, file))
    here = os.path.dirname(script.path)
    beside = frozenset(
        name for name in missing if not files[name].startswith("./") and os.path.exists(os.path.join(here, files[name]))
    )
    reachable = {name for name in missing if files[name].startswith((".", "/")) and _exists(here, files[name])}
    findings = list(perl_findings(uses, version=version, missing=missing - reachable, beside=beside))
    if runs_perl and not findings and (said := machine.perl_syntax_error(program, script.path)):
        findings.append(Finding(rule="syntax", severity=Severity.ERROR, text=said))
    return findings


def _is_added(script: Script, uses: PerlUses, file: str) -> bool:
    """Whether it lies in a folder that the script itself adds to @INC."""
    here = os.path.dirname(script.path)
    return any(_exists(os.path.join(here, folder), file) for folder in uses.folders)


def _exists(folder: str, file: str) -> bool:
    return os.path.exists(os.path.join(folder, file))
