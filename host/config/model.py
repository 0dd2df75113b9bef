"""What the configuration says, as frozen values: one `Snapshot` for the server, one `PathSettings` per URL path.

Times are seconds, sizes are bytes, paths are absolute and expanded. Nothing here reads files; `store.py` builds it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from host.config.caching import Caching
from host.config.cgi_settings import Cgi
from host.config.compression import Compression
from host.config.confinement import Confinement, Cpu
from host.config.fastcgi import FastCgiApplication
from host.config.listener_settings import ListenerSettings
from host.config.log_settings import LOGS_EVERYTHING, HttpLogging, LogFile
from host.config.logon import Logon
from host.config.names import AccessPolicy, ResponseMode
from host.config.pipeline_entries import Filter, Handler, HttpHandler, Module
from host.config.tls_settings import BindingTls, Hsts


class IsolationMode(enum.Enum):
    """The two process models (`<isolation mode="...">`)."""

    WORKER_PROCESS = "WorkerProcess"
    IIS5 = "IIS5"


class ApplicationIsolation(enum.Enum):
    """Where an application runs in IIS 5 isolation mode (`application/@isolation`; IIS: AppIsolated)."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One `<binding>`: `bindingInformation` is `ip:port:host`, or `unix:/path:host` (ours). An empty or `*` ip means
    every address."""

    protocol: str
    ip: str
    port: int  # 0 for a unix socket
    host: str  # empty: any host; "*.example.org": any host below it
    path: str = ""  # of a unix socket
    socket_mode: int = 0o666  # of a unix socket: its file's permissions
    tls: BindingTls | None = None  # of https

    @property
    def endpoint(self) -> str:
        """The listening socket it needs: `127.0.0.1:8080`, `*:8080`, `[::1]:8080`, `unix:/run/www.sock`."""
        if self.path:
            return f"unix:{self.path}"
        return f"{self.ip or '*'}:{self.port}"

    @property
    def claim(self) -> tuple[str, int, str]:
        """What a started site has for itself: address (empty: all of them), port and host name."""
        if self.path:
            return self.endpoint, 0, self.host.rstrip(".")
        return "" if self.ip in ("*", "0.0.0.0", "[::]") else self.ip, self.port, self.host.rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualDirectory:
    """A URL prefix of an application (relative to it, "/" is its root) and the folder it shows."""

    path: str
    physical_path: str
    allow_sub_dir_config: bool = True
    ignores_case: bool = False  # ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application of a site."""

    site_id: int
    site_name: str
    path: str
    pool_name: str
    isolation: ApplicationIsolation = ApplicationIsolation.MEDIUM
    virtual_directories: tuple[VirtualDirectory, ...] = ()
    preload_enabled: bool = False

    @property
    def key(self) -> str:
        """What names it between processes: `1:/shop`."""
        return f"{self.site_id}:{self.path}"

    @property
    def metabase_path(self) -> str:
        """`/LM/W3SVC/1/ROOT/shop`."""
        return f"/LM/W3SVC/{self.site_id}/ROOT" + ("" if self.path == "/" else self.path)

    @property
    def physical_path(self) -> str:
        """Folder of the root virtual directory."""
        return next(folder.physical_path for folder in self.virtual_directories if folder.path == "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLimits:
    """`site/limits`."""

    connection_timeout_seconds: int = 120
    max_connections: int = 4294967295
    max_url_segments: int = 32  # 0: no limit
    max_bandwidth: int = 4294967295  # bytes per second


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site: bindings, applications (longest path first), limits, its log."""

    name: str
    id: int
    auto_start: bool = True
    bindings: tuple[Binding, ...] = ()
    applications: tuple[Application, ...] = ()
    limits: SiteLimits = field(default_factory=SiteLimits)
    hsts: Hsts = field(default_factory=Hsts)
    log_file: LogFile = field(default_factory=LogFile)


RECYCLE_EVENTS: Final = (
    "Time",
    "Requests",
    "Schedule",
    "Memory",
    "IsapiUnhealthy",
    "OnDemand",
    "ConfigChange",
    "PrivateMemory",
)
"""Every flag of recycling/@logEventOnRecycle; all are set by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """An application pool; attributes of `add`, `processModel`, `recycling` and `failure` side by side."""

    name: str
    queue_length: int = 1000
    auto_start: bool = True
    start_mode: str = "OnDemand"  # or AlwaysRunning
    managed_pipeline_mode: str = "Integrated"  # or Classic
    managed_runtime_version: str = ""
    enable_configuration_override: bool = True
    preload_applications: bool = False  # ours
    # processModel
    idle_timeout_seconds: int = 1200  # 0: never
    idle_timeout_action: str = "Terminate"  # or Suspend
    log_event_on_process_model: tuple[str, ...] = ("IdleTimeout",)
    max_processes: int = 1  # 0: one for each NUMA node
    max_concurrent_requests: int = 256  # ours: of one worker
    request_time_limit_seconds: int = 0  # ours; 0: none
    shutdown_time_limit_seconds: int = 90
    startup_time_limit_seconds: int = 90
    pinging_enabled: bool = True
    ping_interval_seconds: int = 30
    ping_response_time_seconds: int = 90
    # recycling
    disallow_overlapping_rotation: bool = False
    disallow_rotation_on_config_change: bool = False
    periodic_restart_seconds: int = 104400  # 29 hours; 0: never
    periodic_restart_requests: int = 0
    periodic_restart_memory_kilobytes: int = 0
    periodic_restart_private_memory_kilobytes: int = 0
    periodic_restart_schedule: tuple[int, ...] = ()  # local times of day, seconds after midnight
    log_event_on_recycle: tuple[str, ...] = RECYCLE_EVENTS
    # failure
    load_balancer_capabilities: str = "HttpLevel"  # or TcpLevel
    rapid_fail_protection: bool = True
    rapid_fail_interval_seconds: int = 300
    rapid_fail_max_crashes: int = 5
    orphan_worker_process: bool = False
    orphan_action_exe: str = ""
    orphan_action_params: str = ""
    auto_shutdown_exe: str = ""
    auto_shutdown_params: str = ""
    action_time_limit_seconds: int = 600  # ours; 0: none
    replay_idempotent_requests: bool = True  # ours
    environment_variables: tuple[tuple[str, str], ...] = ()
    confinement: Confinement = field(default_factory=Confinement)
    cpu: Cpu = field(default_factory=Cpu)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomError:
    """One `<error>` of httpErrors; `sub_status` -1 means any."""

    status: int
    sub_status: int
    path: str
    response_mode: ResponseMode


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpErrors:
    """`httpErrors`."""

    error_mode: str = "DetailedLocalOnly"  # Custom, Detailed
    existing_response: str = "Auto"  # Replace, PassThrough
    errors: tuple[CustomError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticContent:
    """`staticContent`: MIME map by extension (lower case, with dot) and client cache control."""

    mime_map: Mapping[str, str] = field(default_factory=dict)
    cache_control_mode: str = "NoControl"  # DisableCache, UseMaxAge, UseExpires
    cache_control_max_age_seconds: int = 86400
    cache_control_custom: str = ""
    http_expires: str = ""
    set_etag: bool = True
    follow_symbolic_links_outside_root: bool = False  # ours
    serve_precompressed_files: bool = False  # ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """One entry of isapiCgiRestriction: a program and whether it may run."""

    path: str
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFiltering:
    """`security/requestFiltering`."""

    allow_double_escaping: bool = False
    allow_high_bit_characters: bool = True
    max_allowed_content_length: int = 30000000
    remove_server_header: bool = False
    max_url: int = 4096
    max_query_string: int = 2048
    header_limits: Mapping[str, int] = field(default_factory=dict)  # lower-case name to bytes
    allow_unlisted_verbs: bool = True
    verbs: Mapping[str, bool] = field(default_factory=dict)
    allow_unlisted_extensions: bool = True
    extensions: Mapping[str, bool] = field(default_factory=dict)  # lower-case, with dot
    hidden_segments: tuple[str, ...] = ()  # lower-case
    deny_url_sequences: tuple[str, ...] = ()  # lower-case
    deny_query_string_sequences: tuple[str, ...] = ()
    always_allowed_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationInitialization:
    """`applicationInitialization`; pages are (URL path, host name or empty)."""

    do_app_init_after_restart: bool = False
    pages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonApplication:
    """`pythonApplication` (ours): how WSGI and ASGI applications run. Empty paths: none, and its own folder."""

    virtual_environment: str = ""
    working_directory: str = ""
    monitor_changes_to: str = ""
    monitor_changes: bool = True
    multithread: bool = True
    lifespan: str = "Auto"  # On, Off
    disconnect_time_limit_seconds: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSettings:
    """Everything system.webServer says about one URL path, inheritance and web.config files applied."""

    access_policy: AccessPolicy = AccessPolicy.READ
    handlers: tuple[Handler, ...] = ()
    keeps_plugin_mappings: bool = True  # false after <handlers><clear/>: mappings that drop-ins bring are gone too
    removed_handlers: tuple[str, ...] = ()  # names taken out by <remove>, also of mappings that drop-ins bring
    default_document_enabled: bool = True
    default_documents: tuple[str, ...] = ()
    directory_browse_enabled: bool = False
    static_content: StaticContent = field(default_factory=StaticContent)
    caching: Caching = field(default_factory=Caching)
    compression: Compression = field(default_factory=Compression)
    cgi: Cgi = field(default_factory=Cgi)
    fastcgi: tuple[FastCgiApplication, ...] = ()
    http_errors: HttpErrors = field(default_factory=HttpErrors)
    request_filtering: RequestFiltering = field(default_factory=RequestFiltering)
    http_logging: HttpLogging = LOGS_EVERYTHING
    custom_headers: tuple[tuple[str, str], ...] = ()  # httpProtocol/customHeaders
    not_listed_isapis_allowed: bool = False
    not_listed_cgis_allowed: bool = False
    restrictions: tuple[Restriction, ...] = ()
    filters: tuple[Filter, ...] = ()  # server-wide ones first, then the site's
    modules: tuple[Module, ...] = ()
    runs_all_managed_modules: bool = False  # runAllManagedModulesForAllRequests
    http_modules: tuple[Module, ...] = ()  # system.web, obeyed in classic mode
    http_handlers: tuple[HttpHandler, ...] = ()
    validates_integrated_mode: bool = True
    app_concurrent_request_limit: int = 5000
    upload_read_ahead_bytes: int = 49152
    ssl_flags: tuple[str, ...] = ()  # security/access
    application_initialization: ApplicationInitialization = field(default_factory=ApplicationInitialization)
    logon: Logon | None = None  # None: everybody may come, and nobody is asked anything
    python_application: PythonApplication = field(default_factory=PythonApplication)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebLimits:
    """`webLimits`."""

    connection_timeout_seconds: int = 120
    header_wait_timeout_seconds: int = 0  # 0: 120
    min_bytes_per_second: int = 240
    max_global_bandwidth: int = 4294967295  # bytes per second, of all sites
    demand_start_threshold: int = 2147483647
    dynamic_idle_threshold: int = 0  # percent of physical memory; 0: off


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The server level, frozen. `root` is the folder above the configuration file's (drop-in folders lie in it)."""

    version: int
    path: str
    isolation_mode: IsolationMode = IsolationMode.WORKER_PROCESS
    max_concurrent_requests: int = 256  # ours: of inetinfo and of each dllhost; pools have their own
    sites: tuple[Site, ...] = ()
    pools: tuple[Pool, ...] = ()
    web_limits: WebLimits = field(default_factory=WebLimits)
    listener: ListenerSettings = field(default_factory=ListenerSettings)
    log_directory: str = ""  # of HTTPERR and the event log
    temporary_directory: str = ""  # the pools' private folders lie in it
    extension_folders: tuple[str, ...] = ()  # searched in order; the first file of a name wins
    filter_folders: tuple[str, ...] = ()
    pool_fingerprints: Mapping[str, str] = field(default_factory=dict)  # by pool: digest of what its applications see
    warnings: tuple[str, ...] = ()  # known but unsupported sections and the like, one line each, with file and line

    @property
    def longest_shutdown_seconds(self) -> int:
        """How long the end of everything may take: the longest shutdownTimeLimit of a pool."""
        return max(
            (pool.shutdown_time_limit_seconds for pool in self.pools), default=Pool(name="").shutdown_time_limit_seconds
        )

    def pool(self, name: str) -> Pool:
        """The pool of that name. Raises KeyError."""
        for pool in self.pools:
            if pool.name == name:
                return pool
        raise KeyError(name)

    def application(self, key: str) -> Application:
        """The application of that key. Raises KeyError."""
        for site in self.sites:
            for application in site.applications:
                if application.key == key:
                    return application
        raise KeyError(key)
