"""`basicAuthentication`, `anonymousAuthentication` and `authorization`: who asks, is it true, and may they?

Computing a hash takes a thread some milliseconds, or some hundred: a few are computed at a time, so that somebody who
guesses passwords has neither all threads nor all processors, and what was found right is remembered by a keyed digest
of name, password and hash. A changed line of the file makes another digest, so nothing has to be forgotten.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

from host.api import Credentials, HttpError, Request, Response
from host.authentication.libcrypt import HashUnavailableError
from host.authentication.password_hashes import is_password
from host.authentication.user_files import Groups, KeptFile, Users, parse_groups, parse_users
from host.config.logon import Logon
from host.worker.calling import HookCaller
from host.worker.credentials import BASIC, has_controls
from host.worker.process_user import process_user
from host.worker.request_task import become_task

MODULE: Final = "BasicAuthenticationModule"
_ANONYMOUS_MODULE: Final = "AnonymousAuthenticationModule"
_AUTHORIZATION_MODULE: Final = "UrlAuthorizationModule"
_STAGE: Final = "authenticate_request"
MOST_WAITING: Final = 64
"""Requests that wait for their turn, a quarter of a worker's places: guesses must not take the others' as well."""

_MOST_KNOWN: Final = 4096
_MOST_FILES: Final = 64
_NOBODY: Final[frozenset[str]] = frozenset()
_UNREADABLE: Final = (
    "Make it a file that this user may read. In a sandbox, one that took another's place is closed: write it in place, "
    "or give its folder an entry in <sandbox>."
)
_FILE: Final = "isapy.user-file"
"""Key in `Request.context`: the file of users that knew the name, where one did."""

_WARM_UP: Final = "warm_up"
"""Key in `Request.context` of requests that nobody has sent (`warm_up.py`)."""

Content = TypeVar("Content")


class Authenticator:
    """Of one process."""

    def __init__(self, caller: HookCaller) -> None:
        self._caller = caller
        self._users: OrderedDict[str, KeptFile[Users]] = OrderedDict()
        self._groups: OrderedDict[str, KeptFile[Groups]] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._waiting: Counter[str] = Counter()  # by address
        self._turns = asyncio.Semaphore(most_hashes(len(os.sched_getaffinity(0))))
        self._unreadable: dict[str, str] = {}  # why, by file

    def knows(self, request: Request, logon: Logon) -> bool:
        """Whether it is known who asks. A name that an internal request has brought from a place with other users is
        nobody here until it was looked up, as in Apache: the same name may be somebody else's."""
        if request.user and request.context.get(_FILE, logon.user_file) != logon.user_file:
            request.user = request.auth_type = ""
        return bool(request.user)

    async def log_on(self, request: Request, logon: Logon, credentials: Credentials) -> None:
        """Check what the client sent, if it has sent something. Raises HttpError: 401.1 for what is wrong, 500.19 when
        it cannot be checked."""
        name, password = credentials.user, credentials.password
        if not name and credentials.scheme.lower() != BASIC:
            return
        if not name or has_controls(name) or has_controls(password):
            raise _refused(1, "the field Authorization holds no name and password", MODULE)
        if not logon.user_file:
            remedy = 'Name one: <basicAuthentication enabled="true" userFile="..." />.'
            raise _refused(1, "there is no userFile to look the name up in", MODULE, remedy)
        users = self._read(self._users, logon.user_file, parse_users)
        if not await self._is_right(request, users, name, password.encode("utf-8", "surrogateescape")):
            raise _refused(1, f"name or password is wrong (of {logon.user_file})", MODULE)
        request.user, request.auth_type = name, "Basic"
        request.context[_FILE] = logon.user_file

    def admit_anonymous(self, request: Request, logon: Logon) -> None:
        """Nobody has found out who asks. Raises HttpError 401.2 when that does not do."""
        if logon.allows_anonymous or request.context.get(_WARM_UP):
            return
        remedy = "Log on." if logon.uses_basic else "Enable basicAuthentication, or list a filter that authenticates."
        raise _refused(2, "this URL is for those who log on", _ANONYMOUS_MODULE, remedy)

    def authorize(self, request: Request, logon: Logon) -> None:
        """May this user ask for this? Raises HttpError 401.2."""
        if request.context.get(_WARM_UP):
            return
        roles: Set[str] = _NOBODY
        if request.user and logon.group_file and logon.names_roles:
            roles = self._read(self._groups, logon.group_file, parse_groups).by_name.get(request.user, _NOBODY)
        if not logon.allows(request.user, roles, request.method):
            who = f"the user {request.user}" if request.user else "an anonymous user"
            remedy = "Change the rules in <authorization>, or log on as somebody else."
            raise _refused(2, f"no rule lets {who} {request.method} this URL", _AUTHORIZATION_MODULE, remedy)

    async def _is_right(self, request: Request, users: Users, name: str, password: bytes) -> bool:
        stored = users.hashes.get(name)
        digest = hashlib.blake2b(key=self._key)
        for part in (name.encode("utf-8", "surrogateescape"), password, (stored or "").encode()):
            digest.update(b"%d:" % len(part) + part)
        key = digest.digest()
        if stored is not None and self._is_known(key):
            return True
        with self._place(request.connection.remote_address):
            await become_task()
            async with self._turns:
                if stored is not None and self._is_known(key):  # several requests of one page had come together
                    return True
                found = await self._compare(request, stored or users.some_hash, password)
        if stored is None or not found:  # a name that is not there has taken as long as one that is
            return False
        self._known[key] = None
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return True

    @contextmanager
    def _place(self, address: str) -> Iterator[None]:
        """Among those that wait for a hash. One address has half of the places: who guesses from there leaves
        the others to those who come from elsewhere. Raises HttpError 503.2."""
        if self._waiting.total() >= MOST_WAITING or self._waiting[address] >= MOST_WAITING // 2:
            remedy = "Somebody may be guessing passwords: look at the log for 401 1."
            raise HttpError(503, 2, "too many log on at once", headers={"Retry-After": "5"}, remedy=remedy)
        self._waiting[address] += 1
        try:
            yield
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]

    async def _compare(self, request: Request, stored: str, password: bytes) -> bool:
        """On a thread. Raises HttpError 500.19."""
        if not stored:  # nobody is in the file
            return False
        try:
            return bool(await self._caller.run_on_thread(MODULE, _STAGE, request, is_password, password, stored))
        except HashUnavailableError as error:
            raise HttpError(500, 19, str(error), remedy="Make the hash anew: htpasswd -B.") from error

    def _is_known(self, key: bytes) -> bool:
        if key not in self._known:
            return False
        self._known.move_to_end(key)
        return True

    def _read(
        self,
        files: OrderedDict[str, KeptFile[Content]],
        path: str,
        parse: Callable[[str], Content],
    ) -> Content:
        """What that file says now. Raises HttpError 500.19."""
        file = files.get(path)
        if file is None:
            file = files[path] = KeptFile(path, parse, partial(self._report, path))
            if len(files) > _MOST_FILES:
                files.popitem(last=False)
        try:
            content = file.content()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            text = f"{path} cannot be read by {process_user()}: {why}"
            if self._unreadable.get(path) != why:
                self._unreadable[path] = why
                self._report(path, text)
            raise HttpError(500, 19, text, remedy=_UNREADABLE) from error
        self._unreadable.pop(path, None)
        return content

    def _report(self, path: str, text: str) -> None:
        self._caller.report_event("user-file-problem", text, {"path": path})


def add_challenge(request: Request, response: Response) -> None:
    """Tell the client of a 401 how it can log on, whoever has said it: a script may, too. Not what is said already."""
    logon: Logon | None = request.settings.logon if request.settings is not None else None
    if logon is None or not logon.uses_basic or response.raw:
        return
    if any(value.lower().startswith(BASIC) for value in response.headers.get_all("WWW-Authenticate")):
        return
    realm = logon.realm or request.server_name or request.connection.local_address
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    response.headers.add("WWW-Authenticate", f'Basic realm="{quoted}", charset="UTF-8"')


def most_hashes(processors: int) -> int:
    """So many are computed at a time in one process: half of its processors, four at most."""
    return min(4, max(1, processors // 2))


def _refused(substatus: int, detail: str, module: str, remedy: str = "") -> HttpError:
    error = HttpError(401, substatus, detail, remedy=remedy)
    error.module = module
    return error
