"""The part of `isapy check` that looks for what only an error, a log line or a rare occasion would miss: pages of
`httpErrors`, the folders of the logs, programs that are run for orphans and for pools that are shut down."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from host.cli.python_check import problem_at, with_settings
from host.config.errors import ConfigError
from host.config.listener_confinement import site_log_folder
from host.config.model import Application, CustomError, IsolationMode, Site, Snapshot
from host.config.names import ACTION_PATH, ResponseMode
from host.config.pool_confinement import place_of
from host.config.server_file import LoadedServer
from host.config.store import ServerConfiguration


def file_problems(configuration: ServerConfiguration) -> list[ConfigError]:
    """Pages that will be replaced by isapy's short one, and logs that nobody will be able to write."""
    snapshot = configuration.snapshot
    problems = [problem for site in snapshot.sites for problem in _log_problems(snapshot, site)]
    for application, settings in with_settings(configuration):
        for page in settings.http_errors.errors:
            if page.response_mode is ResponseMode.FILE:
                problems += _page_problems(snapshot, application, page)
    return list(dict.fromkeys(problems))  # applications that inherit an entry have its problem once


def program_problems(server: LoadedServer) -> list[ConfigError]:
    """Programs for occasions (`failure`) that will not be found when the occasion comes, or will never come."""
    snapshot = server.snapshot
    if snapshot.isolation_mode is not IsolationMode.WORKER_PROCESS:
        return []
    problems = []
    for pool in snapshot.pools:
        named = (("orphanActionExe", pool.orphan_action_exe), ("autoShutdownExe", pool.auto_shutdown_exe))
        for attribute, program in named:
            node = place_of(server.document, pool.name, "failure", attribute) if program else None
            if node is None:
                continue
            if shutil.which(program, path=ACTION_PATH) is None:
                text = f"there is no program {program} that can be executed: nothing will be run"
                problems.append(node.error(text, "install it, or correct the path", attribute=attribute))
            elif attribute == "orphanActionExe" and not pool.orphan_worker_process:
                text = "it is never run: a worker that does not answer is killed"
                problems.append(node.error(text, 'set orphanWorkerProcess="true"', attribute=attribute))
    return list(dict.fromkeys(problems))  # pools that have it from applicationPoolDefaults have one problem


def _page_problems(snapshot: Snapshot, application: Application, page: CustomError) -> Iterator[ConfigError]:
    if not os.path.isfile(page.path):
        text = f"the page of status {page.status}: there is no file {page.path}; isapy's short one is sent"
        remedy = "make the file, or correct path and prefixLanguageFilePath (without one, path begins beside this file)"
        yield problem_at(snapshot, application, "httpErrors/error", "path", text, remedy, f'statusCode="{page.status}"')


def _log_problems(snapshot: Snapshot, site: Site) -> Iterator[ConfigError]:
    if not site.log_file.enabled or not site.applications:
        return
    folder = site_log_folder(site.log_file, site.id)
    existing = folder
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing)
    if not os.path.isdir(existing):
        text = f"the log folder {folder} cannot be made: {existing} is no folder; requests are not logged"
        element = "log/centralW3CLogFile" if site.log_file.is_central else "logFile"
        named = f'"{site.log_file.directory}"'
        yield problem_at(
            snapshot, site.applications[0], element, "directory", text, "name a folder that isapy may make", named
        )
