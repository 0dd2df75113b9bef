"""From the effective `system.applicationHost` sections to the frozen values of `model.py`."""

from __future__ import annotations

from host.config.binding_builder import build_binding
from host.config.inheritance import Effective, overlay
from host.config.log_builder import LogBuilder
from host.config.model import (
    Application,
    ApplicationIsolation,
    Pool,
    Site,
    SiteLimits,
    VirtualDirectory,
    WebLimits,
)
from host.config.pool_confinement import build_confinement, build_cpu, identity_numbers
from host.config.problems import Problems
from host.config.tls_settings import Hsts


def build_pools(pools: Effective, problems: Problems) -> tuple[Pool, ...]:
    """Every pool, applicationPoolDefaults applied."""
    defaults = pools.child("applicationPoolDefaults")
    effective = [overlay(defaults, entry.effective) for entry in pools.entries]
    numbers = identity_numbers(pools, [pool.text("name") for pool in effective], problems)
    return tuple(_pool(pool, numbers.get(pool.text("name"), 0)) for pool in effective)


def _pool(pool: Effective, identity_number: int) -> Pool:
    model, recycling, failure = pool.child("processModel"), pool.child("recycling"), pool.child("failure")
    restart = recycling.child("periodicRestart")
    return Pool(
        name=pool.text("name"),
        queue_length=pool.number("queueLength"),
        auto_start=pool.flag("autoStart"),
        start_mode=pool.text("startMode"),
        managed_pipeline_mode=pool.text("managedPipelineMode"),
        managed_runtime_version=pool.text("managedRuntimeVersion"),
        enable_configuration_override=pool.flag("enableConfigurationOverride"),
        preload_applications=pool.flag("preloadApplications"),
        idle_timeout_seconds=model.number("idleTimeout"),
        max_concurrent_requests=model.number("maxConcurrentRequests"),
        request_time_limit_seconds=model.number("requestTimeLimit"),
        idle_timeout_action=model.text("idleTimeoutAction"),
        log_event_on_process_model=model.names("logEventOnProcessModel"),
        max_processes=model.number("maxProcesses"),
        shutdown_time_limit_seconds=model.number("shutdownTimeLimit"),
        startup_time_limit_seconds=model.number("startupTimeLimit"),
        pinging_enabled=model.flag("pingingEnabled"),
        ping_interval_seconds=model.number("pingInterval"),
        ping_response_time_seconds=model.number("pingResponseTime"),
        disallow_overlapping_rotation=recycling.flag("disallowOverlappingRotation"),
        disallow_rotation_on_config_change=recycling.flag("disallowRotationOnConfigChange"),
        periodic_restart_seconds=restart.number("time"),
        periodic_restart_requests=restart.number("requests"),
        periodic_restart_memory_kilobytes=restart.number("memory"),
        periodic_restart_private_memory_kilobytes=restart.number("privateMemory"),
        periodic_restart_schedule=tuple(
            sorted(entry.effective.number("value") for entry in restart.child("schedule").entries)
        ),
        log_event_on_recycle=recycling.names("logEventOnRecycle"),
        load_balancer_capabilities=failure.text("loadBalancerCapabilities"),
        rapid_fail_protection=failure.flag("rapidFailProtection"),
        rapid_fail_interval_seconds=failure.number("rapidFailProtectionInterval"),
        rapid_fail_max_crashes=failure.number("rapidFailProtectionMaxCrashes"),
        orphan_worker_process=failure.flag("orphanWorkerProcess"),
        orphan_action_exe=failure.text("orphanActionExe"),
        orphan_action_params=failure.text("orphanActionParams"),
        auto_shutdown_exe=failure.text("autoShutdownExe"),
        auto_shutdown_params=failure.text("autoShutdownParams"),
        action_time_limit_seconds=failure.number("actionTimeLimit"),
        replay_idempotent_requests=failure.flag("replayIdempotentRequests"),
        environment_variables=tuple(
            (entry.effective.text("name"), entry.effective.text("value"))
            for entry in pool.child("environmentVariables").entries
        ),
        confinement=build_confinement(pool, identity_number),
        cpu=build_cpu(pool.child("cpu")),
    )


def build_sites(sites: Effective, pools: tuple[Pool, ...], logs: LogBuilder, problems: Problems) -> tuple[Site, ...]:
    """Every site, the default elements of all levels applied. A binding that is no binding is noted and left out."""
    builder = _SiteBuilder(sites, pools, logs, problems)
    return tuple(builder.site(entry.effective) for entry in sites.entries)


def build_web_limits(limits: Effective) -> WebLimits:
    """`webLimits`."""
    return WebLimits(
        connection_timeout_seconds=limits.number("connectionTimeout"),
        header_wait_timeout_seconds=limits.number("headerWaitTimeout"),
        min_bytes_per_second=limits.number("minBytesPerSecond"),
        max_global_bandwidth=limits.number("maxGlobalBandwidth"),
        demand_start_threshold=limits.number("demandStartThreshold"),
        dynamic_idle_threshold=limits.number("dynamicIdleThreshold"),
    )


class _SiteBuilder:
    def __init__(self, sites: Effective, pools: tuple[Pool, ...], logs: LogBuilder, problems: Problems) -> None:
        self._sites = sites
        self._pool_names = {pool.name.lower(): pool.name for pool in pools}
        self._logs = logs
        self._problems = problems

    def site(self, own: Effective) -> Site:
        site = overlay(self._sites.child("siteDefaults"), own)
        application_defaults = overlay(self._sites.child("applicationDefaults"), site.child("applicationDefaults"))
        folder_defaults = overlay(self._sites.child("virtualDirectoryDefaults"), site.child("virtualDirectoryDefaults"))
        applications = [
            self._application(site, overlay(application_defaults, entry.effective), folder_defaults)
            for entry in site.entries
        ]
        bindings = [build_binding(entry.effective, self._problems) for entry in site.child("bindings").entries]
        return Site(
            name=site.text("name"),
            id=site.number("id"),
            auto_start=site.flag("serverAutoStart"),
            bindings=tuple(binding for binding in bindings if binding is not None),
            applications=tuple(sorted(applications, key=lambda application: -len(application.path))),
            limits=_limits(site.child("limits")),
            hsts=_hsts(site.child("hsts")),
            log_file=self._logs.log_file(site.child("logFile")),
        )

    def _application(self, site: Effective, application: Effective, folder_defaults: Effective) -> Application:
        defaults = overlay(folder_defaults, application.child("virtualDirectoryDefaults"))
        pool_name = application.text("applicationPool")  # compared without case, as IIS does
        folders = [_virtual_directory(overlay(defaults, entry.effective)) for entry in application.entries]
        return Application(
            site_id=site.number("id"),
            site_name=site.text("name"),
            path=application.text("path"),
            pool_name=self._pool_names.get(pool_name.lower(), pool_name),
            isolation=ApplicationIsolation(application.text("isolation")),
            preload_enabled=application.flag("preloadEnabled"),
            virtual_directories=tuple(sorted(folders, key=lambda folder: -len(folder.path))),
        )


def _virtual_directory(folder: Effective) -> VirtualDirectory:
    return VirtualDirectory(
        path=folder.text("path"),
        physical_path=folder.text("physicalPath"),
        allow_sub_dir_config=folder.flag("allowSubDirConfig"),
        ignores_case=folder.flag("caseInsensitivePaths"),
    )


def _limits(limits: Effective) -> SiteLimits:
    return SiteLimits(
        connection_timeout_seconds=limits.number("connectionTimeout"),
        max_connections=limits.number("maxConnections"),
        max_bandwidth=limits.number("maxBandwidth"),
        max_url_segments=limits.number("maxUrlSegments"),
    )


def _hsts(hsts: Effective) -> Hsts:
    return Hsts(
        enabled=hsts.flag("enabled"),
        max_age=hsts.number("max-age"),
        include_sub_domains=hsts.flag("includeSubDomains"),
        preload=hsts.flag("preload"),
        redirect_http_to_https=hsts.flag("redirectHttpToHttps"),
    )
