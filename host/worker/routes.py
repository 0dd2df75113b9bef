"""From a request's URL to everything that is decided by the URL alone, remembered so that it is decided once.

A remembered route costs a dictionary look-up and, every RECHECK_SECONDS, one question whether the settings are still
the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from host.api import HttpError, Request
from host.api.request import IGNORES_CASE
from host.config.errors import ConfigErrors
from host.config.model import Application, PathSettings
from host.worker.handler_map import Candidate, FindPlugin, HandlerMap, Match, select
from host.worker.physical_path import Place, decode_path, map_path, owning_application, split_target
from host.worker.plugins import Plugin
from host.worker.served_application import ServedApplication
from host.worker.shared_answers import insist_on_worker, is_shared
from host.worker.spelling import Spelling, has_rules
from host.worker.tls_access import check_tls

RECHECK_SECONDS: Final = 0.1
SETTINGS_PATIENCE_SECONDS: Final = 0.25
"""So long a new folder's rules may go unnoticed, as a changed web.config may anyway."""

_SAY_NOTHING: Final = frozenset(("OPTIONS", "TRACE"))
_MOST_ROUTES: Final = 4096  # a client that invents URLs must not fill the memory
_LONGEST_PATH: Final = 1024  # of a route that is kept
_MOST_MAPS: Final = 256


class Configuration(Protocol):
    """What routes ask: `host.config.store.ServerConfiguration`."""

    def settings_for(self, application: Application, url_path: str) -> PathSettings:
        """What is in force for the decoded URL path. Raises ConfigErrors."""


class Route:
    """What one raw path of a site leads to."""

    __slots__ = (
        "_match",
        "_match_arrival",
        "_match_method",
        "_place",
        "application",
        "asks_who",
        "candidates",
        "checked_at",
        "has_conditions",
        "has_too_many_segments",
        "ignores_case",
        "is_shared",
        "needs_no_file",
        "path",
        "physical_path",
        "physical_root",
        "settings",
        "settings_path",
        "unslashed_path",
        "verified",
    )

    def __init__(self, application: ServedApplication, path: str, spelling: Spelling) -> None:
        self.application = application
        place = map_path(application.model, path)
        self.ignores_case = place.ignores_case
        if place.ignores_case:
            root = place.root.rstrip("/")
            tail = place.physical_path[len(root) :]
            spelled = spelling.on_disk(root, tail)
            path = path[: len(path) - len(tail)] + spelled
            place = place._replace(physical_path=root + spelled)
        self.path = path
        self._place = place
        self.physical_root = place.root
        self.physical_path = place.physical_path  # of the whole path, final slash included
        self.unslashed_path = place.physical_path.rstrip("/") or "/"
        self.settings_path = _as_configured(application.model.path, place)
        self.settings: PathSettings | None = None
        self.candidates: tuple[Candidate, ...] = ()
        self.has_too_many_segments = False
        self.has_conditions = False  # whether `check` may refuse a request
        self.needs_no_file = False  # whether a handler may answer that does not look at the disk
        self.asks_who = False  # whether somebody may have to log on, or be refused
        self.is_shared = False  # whether its answers follow RFC 9111
        self.checked_at = float("-inf")
        self._match: Match | None = None
        self._match_arrival = 0
        self._match_method = ""
        self.verified: tuple[int, int, int] | None = None  # the resource that was found to lie really below the root

    def check(self, request: Request) -> None:
        """The conditions that do not depend on the handler. Raises HttpError: 404.20 (`limits/@maxUrlSegments`), 403.4
        and its like (`access/@sslFlags`), 504 (`caching/profiles/add/@sharedCache`)."""
        if self.ignores_case:
            request.context[IGNORES_CASE] = True
        if self.has_too_many_segments:
            raise HttpError(
                404,
                20,
                f"{self.path} has too many segments",
                remedy='Raise <limits maxUrlSegments="..." /> of the site.',
            )
        check_tls(request, self.settings_in_force.ssl_flags)
        if self.is_shared:
            insist_on_worker(request)

    def match_for(self, arrival: int, method: str) -> Match:
        """Who answers a request of that arrival (`handler_choice.choose_handler`). Raises HttpError as `select`."""
        match = self._match
        if match is None or arrival != self._match_arrival or method != self._match_method:
            match = self._match = select(self.candidates, method, self.path, self.physical_path)
            self._match_arrival, self._match_method = arrival, method
        return match

    def use(self, candidates: tuple[Candidate, ...]) -> None:
        """From now on these are asked."""
        self.candidates, self._match = candidates, None
        if any(map(_says_something_of_its_own, candidates)):
            self.needs_no_file = True  # for good: what is said for the path is looked for anew each time

    def follow_folders(self, spelling: Spelling) -> bool:
        """Whether other settings hold, since the folders on the disk are spelled otherwise than in the URL.

        Where a file answers, its folder is spelled right or there is none. A handler that needs no file is found in any
        case of letters, and the rules in the `web.config` of a folder `api` hold for /API/x, as they do in IIS. A
        folder without one says nothing: then locations are looked for as the URL is spelled.
        """
        root = self.physical_root.rstrip("/")
        asked = self.physical_path[len(root) :]
        spelled = spelling.on_disk(root, asked)
        if spelled != asked and not has_rules(root, spelled):
            spelled = asked
        path = _as_configured(self.application.model.path, self._place._replace(physical_path=root + spelled))
        is_another = path != self.settings_path
        self.settings_path = path
        return is_another

    @property
    def settings_in_force(self) -> PathSettings:
        """The settings of a route that `Routes.find` has returned."""
        assert self.settings is not None
        return self.settings


def _says_something_of_its_own(candidate: Candidate) -> bool:
    """Whether it answers without a file, and not what it says of every URL (IIS's OPTIONSVerbHandler)."""
    verbs = candidate.entry.verbs
    return candidate.sure_match is not None and (verbs is None or not verbs <= _SAY_NOTHING)


def _as_configured(application_path: str, place: Place) -> str:
    """The URL path as the configuration spells it: applications and virtual directories are found in any case of
    letters, and what is said of them has to be found then, too."""
    below = place.physical_path[len(place.root.rstrip("/")) :]
    return application_path.rstrip("/") + place.folder_path.rstrip("/") + below or "/"


class Routes:
    """Routes of every site that this worker serves."""

    def __init__(
        self,
        configuration: Configuration,
        served: Mapping[str, ServedApplication],
        sites: Mapping[int, Sequence[Application]],
        *,
        max_segments: Mapping[int, int],
        brought: Callable[[], Iterable[Plugin]],
        find: FindPlugin,
        clock: Callable[[], float],
    ) -> None:
        self._configuration = configuration
        self._served = served
        self._sites = sites
        self._max_segments = max_segments
        self._brought = brought
        self.find_plugin = find
        self._clock = clock
        self._routes: dict[tuple[int, str], Route] = {}
        self._spelling = Spelling()
        self._folder_spelling = Spelling(patience_seconds=SETTINGS_PATIENCE_SECONDS)
        self._maps: dict[tuple[int, bool, str], HandlerMap] = {}

    def find(self, site_id: int, raw_target: str) -> tuple[Route, str]:
        """The route and the raw query of a target.

        Raises HttpError: 400 for a path that is none, 403.18 when another pool's application owns it, 500.19 when its
        configuration is broken.
        """
        raw_path, _, raw_query = raw_target.partition("?")
        route = self._routes.get((site_id, raw_path))
        if route is None and not raw_path.startswith("/"):  # absolute form (RFC 9112 section 3.2.2)
            raw_path, raw_query = split_target(raw_target)
            route = self._routes.get((site_id, raw_path))
        if route is None:
            route = self._new_route(site_id, raw_path)
        if self._clock() - route.checked_at > RECHECK_SECONDS:
            if route.ignores_case:
                route = self._respelled(site_id, raw_path, route)
            self._refresh(route)
        return route, raw_query

    def foresee(self, application: ServedApplication) -> None:
        """Make the route of the application's own path, with the settings and handlers that most others share. What
        stands in its way is for a request to meet."""
        with suppress(HttpError):
            self.find(application.model.site_id, application.model.path)

    def _new_route(self, site_id: int, raw_path: str) -> Route:
        path = decode_path(raw_path)
        owner = owning_application(self._sites.get(site_id, ()), path)
        served = self._served.get(owner.key) if owner is not None else None
        if served is None:
            pool = owner.pool_name if owner is not None else "none"
            raise HttpError(403, 18, f"{path} belongs to the application pool {pool}, which runs in other processes")
        route = Route(served, path, self._spelling)
        most = self._max_segments.get(site_id, 0)
        route.has_too_many_segments = most > 0 and sum(map(bool, path.split("/"))) > most
        self._keep(site_id, raw_path, route)
        return route

    def _keep(self, site_id: int, raw_path: str, route: Route) -> None:
        if len(raw_path) > _LONGEST_PATH:
            return
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        self._routes[site_id, raw_path] = route

    def _respelled(self, site_id: int, raw_path: str, known: Route) -> Route:
        """The route as the disk has it now: files may have come that are what the URL means."""
        route = Route(known.application, decode_path(raw_path), self._spelling)
        if route.path == known.path:
            return known
        route.has_too_many_segments = known.has_too_many_segments
        self._keep(site_id, raw_path, route)
        return route

    def _refresh(self, route: Route) -> None:
        needed_no_file = route.needs_no_file
        if needed_no_file:
            route.follow_folders(self._folder_spelling)
        self._take_settings(route)
        if route.needs_no_file and not needed_no_file and route.follow_folders(self._folder_spelling):
            self._take_settings(route)
        route.checked_at = self._clock()

    def _take_settings(self, route: Route) -> None:
        try:
            settings = self._configuration.settings_for(route.application.model, route.settings_path)
        except ConfigErrors as error:
            raise HttpError(500, 19, str(error), remedy="Correct the file; it is read again at once.") from error
        if settings is not route.settings:
            route.settings = settings
            route.asks_who = settings.logon is not None
            route.is_shared = is_shared(settings, route.path)
            route.has_conditions = (
                route.has_too_many_segments or route.ignores_case or route.is_shared or bool(settings.ssl_flags)
            )
            handlers = self._map_for(settings, route.application)
            route.use(handlers.candidates(route.path, route.application.model.path))

    def _map_for(self, settings: PathSettings, application: ServedApplication) -> HandlerMap:
        key = (id(settings), application.is_classic, application.runtime_version)
        known = self._maps.get(key)
        if known is None:
            if len(self._maps) >= _MOST_MAPS:
                self._maps.clear()
            known = self._maps[key] = HandlerMap(
                settings,
                self._brought(),
                self.find_plugin,
                is_classic=application.is_classic,
                runtime_version=application.runtime_version,
            )
        return known
