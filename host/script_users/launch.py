"""Starts a script as its user, in the process that may become others: looks, judges, cleans, and only then forks.

Nothing that the message says is believed: what it names is looked at again, here, by descriptors that stay open until
the program is executed. The child becomes the user, gives up every privilege, and looks once more, as that user,
whether the script's path still leads to the file that was judged.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from host.config.confinement import READ, WRITE, SandboxRule
from host.config.store import ServerConfiguration
from host.confinement.errors import ConfinementError
from host.confinement.identity import Account, become_account
from host.confinement.landlock import restrict_files
from host.confinement.privileges import forbid_new_privileges, may_change_identity
from host.confinement.rules import server_file_rules
from host.confinement.temporary_folder import make_folder_of_folders
from host.gateway.inherited import inherited_variables
from host.gateway.interpreter import LONGEST_SHEBANG
from host.programs.legacy_folder import make_legacy_folder
from host.script_users.checks import ScriptFacts, TargetUser, refusals
from host.script_users.command import checked_command, clean_environment, wants_module_cgi
from host.script_users.look import OpenedScript, facts_of, open_script
from host.script_users.rules import FolderRule, folder_rules, rule_for
from host.spawner.limited_launch import spawn_limited
from host.spawner.run_folders import make_run_folder, remove_run_folder
from host.spawner.user_launch import LaunchNotAllowed
from host.wire.spawn_messages import LaunchProgram, Limits

_OTHER_COMMAND: Final = (
    "Begin the script with a #! line and make it executable, or give its scriptProcessor in applicationHost.config: "
    "that of a web.config does not count, nor one that does not name the script as a word of its own."
)


class ScriptUsers:
    """The scripts of a pool (or of inetinfo) that run as other users. `sandbox` is what they may touch, None: anything
    that their users may; `place` where their temporary folders are made, empty: in the system's."""

    def __init__(
        self, rules: Sequence[FolderRule], sandbox: Sequence[SandboxRule] | None = None, place: str = ""
    ) -> None:
        self._place = place
        self._legacy_folder: bytes | None = None
        self._rules = rules
        self._sandbox = sandbox
        self._may_become = may_change_identity()
        self._own_user = os.geteuid()
        self._inherited = inherited_variables(os.environb)
        self._inherited.pop(b"TMPDIR", None)  # the service's own, or the pool's: closed to others
        reading, writing = os.pipe()
        self._pipes = os.fstat(reading).st_dev
        os.close(reading)
        os.close(writing)

    def launch(self, message: LaunchProgram, descriptors: Sequence[int]) -> tuple[int, bytes]:
        """Start `message.script`; gives its process id and its temporary folder, empty when it has none of its own.
        Raises LaunchNotAllowed, OSError with the errno of exec."""
        script = os.fsdecode(message.script)
        rule = rule_for(self._rules, script)
        opened = OpenedScript() if rule is None or "/../" in script else open_script(rule.root, script)
        try:
            root, wanted = ("", "") if rule is None else (rule.root, rule.run_as)
            own = self._own_user
            facts = facts_of(opened, script, root, wanted, may_become=self._may_become, own_user=own)
            for refusal in refusals(facts):
                raise LaunchNotAllowed(*refusal)
            assert rule is not None
            assert facts.user is not None
            folder = self._make_folder(rule, facts.user)
            try:
                pid = self._start(
                    message, descriptors, rule=rule, opened=opened, facts=facts, user=facts.user, folder=folder
                )
            except BaseException:
                if folder:
                    remove_run_folder(folder)
                raise
            return pid, folder
        finally:
            opened.close()

    def _start(  # what was judged, and what is still to be
        self,
        message: LaunchProgram,
        descriptors: Sequence[int],
        *,
        rule: FolderRule,
        opened: OpenedScript,
        facts: ScriptFacts,
        user: TargetUser,
        folder: bytes,
    ) -> int:
        environment = self._environment(message, rule, user)
        if folder:
            environment[b"TMPDIR"] = folder
        argv = self._command(message, rule, opened, environment)
        limits = Limits(
            processor_seconds=rule.limits.processor_seconds,
            address_space_bytes=rule.limits.address_space_kilobytes * 1024,
            open_files=rule.limits.open_files,
            processes=rule.limits.processes,
        )
        become = self._becoming(facts.script, opened, user, os.fsdecode(folder))
        try:
            return spawn_limited(argv, environment, descriptors, limits, become)
        except PermissionError as error:
            reason = f"{user.name} may not execute {facts.script}, or not pass through a folder above it"
            remedy = f"chmod u+x {facts.script}; chmod o+x each folder above {facts.root}."
            raise LaunchNotAllowed("reachable", reason, remedy) from error
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            reason = f"{facts.script} was replaced while it was looked at"
            raise LaunchNotAllowed("unchanged", reason, "Ask again.") from error

    def _environment(self, message: LaunchProgram, rule: FolderRule, user: TargetUser) -> dict[bytes, bytes]:
        """The server's variables, the pool's, the user's, and of the request's those that CGI has."""
        name = os.fsencode(user.name)
        of_user = {b"HOME": os.fsencode(user.home), b"USER": name, b"LOGNAME": name}
        of_request = clean_environment(message.environment) | {b"UNIQUE_ID": message.request_id.encode()}
        environment = self._inherited | of_user | dict(rule.environment) | of_request
        if wants_module_cgi(message.environment, rule.environment):
            self._add_module_cgi(environment)
        return environment

    def _add_module_cgi(self, environment: dict[bytes, bytes]) -> None:
        """From a folder of this process: the worker's may have been written to by the pool."""
        if self._legacy_folder is None:
            self._legacy_folder = make_legacy_folder(self._place)
        if self._legacy_folder:
            own = environment.get(b"PYTHONPATH")
            environment[b"PYTHONPATH"] = b":".join(filter(None, (own, self._legacy_folder)))

    def close(self) -> None:
        """Take away what was made for all scripts."""
        if self._legacy_folder:
            shutil.rmtree(self._legacy_folder, ignore_errors=True)

    def _command(
        self, message: LaunchProgram, rule: FolderRule, opened: OpenedScript, environment: Mapping[bytes, bytes]
    ) -> list[bytes]:
        search_path = os.fsdecode(environment.get(b"PATH", b""))
        command = checked_command(
            message.argv,
            message.script,
            _start_of(opened.file),
            processors=rule.processors,
            languages=rule.languages,
            is_there=lambda program: shutil.which(os.fsdecode(program), path=search_path) is not None,
        )
        if command is None:
            asked = b" ".join(message.argv[:2]).decode("utf-8", "replace")
            reason = f"{asked} ... is no command that applicationHost.config gives for {os.fsdecode(message.script)}"
            raise LaunchNotAllowed("command", reason, _OTHER_COMMAND)
        return command

    def _make_folder(self, rule: FolderRule, user: TargetUser) -> bytes:
        if not rule.has_private_temp:
            return b""
        if not self._may_become:
            return make_run_folder(self._place)
        return make_run_folder(self._place, user.number, user.group)

    def _becoming(self, script: str, opened: OpenedScript, user: TargetUser, folder: str) -> Callable[[], None]:
        """What the child does between fork and exec."""
        account = Account(user.number, user.group, user.groups, user.name, user.home)
        judged = os.fstat(opened.file)
        sandbox = self._sandbox
        if sandbox is not None and folder:
            sandbox = [*sandbox, SandboxRule(path=folder, access=(READ, WRITE))]

        def become() -> None:
            try:
                if self._may_become:
                    self._give_pipes(user.number)
                    become_account(account)
                forbid_new_privileges()
                if sandbox is not None:
                    restrict_files(sandbox)
            except ConfinementError as error:
                raise OSError(errno.EINVAL, str(error)) from error
            os.fchdir(opened.folder)
            found = os.stat(script)
            if (found.st_dev, found.st_ino) != (judged.st_dev, judged.st_ino):
                raise OSError(errno.ESTALE, "another file")

        return become

    def _give_pipes(self, user: int) -> None:
        """`echo >/dev/stderr` opens the pipe anew, which only its owner may."""
        for descriptor in (0, 1, 2):
            if os.fstat(descriptor).st_dev == self._pipes:
                os.fchown(descriptor, user, -1)


def users_of_pool(configuration: ServerConfiguration, pool_name: str, keys: Sequence[str]) -> ScriptUsers:
    """For a pool that serves the applications `keys`; where the pool is sandboxed, so are these scripts, without its
    temporary folder and by the server's file alone. Raises ConfinementError."""
    pool = configuration.snapshot.pool(pool_name)
    sandbox = None
    if pool.confinement.sandbox.mode == "Enforce":
        sandbox = server_file_rules(configuration, keys, pool.confinement.sandbox)
    place = make_folder_of_folders(pool_name, configuration.snapshot.path)
    return ScriptUsers(folder_rules(configuration, keys), sandbox, place)


def _start_of(descriptor: int) -> bytes:
    """The first line of what is open by O_PATH; empty where nobody may read it."""
    try:
        with open(f"/proc/self/fd/{descriptor}", "rb", buffering=0) as file:
            return file.read(LONGEST_SHEBANG)
    except OSError:
        return b""
