"""The part of `isapy check` that looks for files and folders that only an error or a log line would miss: pages of
`httpErrors`, and the folders of the logs."""

from __future__ import annotations

import os
from collections.abc import Iterator

from host.cli.python_check import problem_at, with_settings
from host.config.errors import ConfigError
from host.config.listener_confinement import site_log_folder
from host.config.model import Application, CustomError, Site, Snapshot
from host.config.names import ResponseMode
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
