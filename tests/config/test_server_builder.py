"""Pools and sites: defaults of IIS, the default elements, and what a snapshot says."""

from __future__ import annotations

from host.config.model import ApplicationIsolation, Pool
from host.config.names import AccessPolicy
from host.config.path_settings import access_policy
from tests.config.server_sample import Server, application


def test_an_empty_pool_has_iiss_defaults(server: Server) -> None:
    """The schema's defaults and those of the model are the same."""
    server.write("")
    assert server.snapshot().pool("Shop") == Pool(name="Shop")


EVERY_ATTRIBUTE_OF_A_POOL = """
    <add name="P" queueLength="10" autoStart="false" startMode="AlwaysRunning" managedPipelineMode="Classic"
         enableConfigurationOverride="false" preloadApplications="true">
      <processModel idleTimeout="00:01:00" idleTimeoutAction="Suspend" logEventOnProcessModel="None"
         maxProcesses="0" requestTimeLimit="00:00:02" shutdownTimeLimit="00:00:03"
         startupTimeLimit="00:00:04" pingingEnabled="false" pingInterval="00:00:05" pingResponseTime="00:00:06" />
      <recycling disallowOverlappingRotation="true" disallowRotationOnConfigChange="true"
         logEventOnRecycle="Schedule, Memory">
        <periodicRestart time="00:07:00" requests="8" memory="9" privateMemory="10">
          <schedule><add value="23:59:00" /><clear /><add value="13:30:00" /><add value="00:00:00" /></schedule>
        </periodicRestart>
      </recycling>
      <failure loadBalancerCapabilities="TcpLevel" rapidFailProtection="false"
         rapidFailProtectionInterval="00:11:00" rapidFailProtectionMaxCrashes="12"
         orphanWorkerProcess="true" orphanActionExe="%ISAPY_ROOT%/debug" orphanActionParams="-p %1%"
         actionTimeLimit="00:00:13"
         replayIdempotentRequests="false" />
      <environmentVariables><add name="A" value="%ISAPY_ROOT%/a" /><add name="a" value="2" /></environmentVariables>
    </add>"""


def test_every_attribute_of_a_pool_arrives(server: Server) -> None:
    """Each lands in its own field, times in seconds."""
    server.write("", pools=EVERY_ATTRIBUTE_OF_A_POOL)
    assert server.snapshot().pool("P") == Pool(
        name="P",
        queue_length=10,
        auto_start=False,
        start_mode="AlwaysRunning",
        managed_pipeline_mode="Classic",
        enable_configuration_override=False,
        preload_applications=True,
        idle_timeout_seconds=60,
        request_time_limit_seconds=2,
        idle_timeout_action="Suspend",
        log_event_on_process_model=(),
        max_processes=0,
        shutdown_time_limit_seconds=3,
        startup_time_limit_seconds=4,
        pinging_enabled=False,
        ping_interval_seconds=5,
        ping_response_time_seconds=6,
        disallow_overlapping_rotation=True,
        disallow_rotation_on_config_change=True,
        periodic_restart_seconds=420,
        periodic_restart_requests=8,
        periodic_restart_memory_kilobytes=9,
        periodic_restart_private_memory_kilobytes=10,
        periodic_restart_schedule=(0, 48600),
        log_event_on_recycle=("Schedule", "Memory"),
        load_balancer_capabilities="TcpLevel",
        rapid_fail_protection=False,
        rapid_fail_interval_seconds=660,
        rapid_fail_max_crashes=12,
        orphan_worker_process=True,
        orphan_action_exe=f"{server.root}/debug",
        orphan_action_params="-p %1%",
        action_time_limit_seconds=13,
        replay_idempotent_requests=False,
        environment_variables=(("A", f"{server.root}/a"), ("a", "2")),
    )


def test_pool_defaults_fill_what_a_pool_does_not_say(server: Server) -> None:
    """Nearest wins attribute by attribute; lists are joined, and a pool may remove an inherited variable."""
    server.write(
        "",
        pools="""
        <add name="P" startMode="OnDemand">
          <processModel maxProcesses="3" />
          <environmentVariables><remove name="A" /><add name="B" value="own" /></environmentVariables>
        </add>
        <applicationPoolDefaults startMode="AlwaysRunning" queueLength="77">
          <processModel idleTimeout="00:00:00" maxProcesses="2" />
          <environmentVariables><add name="A" value="1" /><add name="B" value="2" />
            <add name="C" value="3" /></environmentVariables>
        </applicationPoolDefaults>""",
    )
    pool, other = server.snapshot().pool("P"), server.snapshot().pool("Shop")
    assert (pool.start_mode, pool.queue_length, pool.idle_timeout_seconds, pool.max_processes) == ("OnDemand", 77, 0, 3)
    assert pool.environment_variables == (("C", "3"), ("B", "own"))
    assert (other.start_mode, other.max_processes) == ("AlwaysRunning", 2)
    assert other.environment_variables == (("A", "1"), ("B", "2"), ("C", "3"))


def test_without_any_pool_there_is_the_default_one(server: Server) -> None:
    """A file with one site is enough to start."""
    server.write(
        """<system.applicationHost><sites><site name="S" id="1"><application path="/">
        <virtualDirectory path="/" physicalPath="../www" /></application></site></sites></system.applicationHost>""",
        sites=False,
    )
    snapshot = server.snapshot()
    assert [pool.name for pool in snapshot.pools] == ["DefaultAppPool"]
    assert snapshot.sites[0].applications[0].pool_name == "DefaultAppPool"
    assert snapshot.sites[0].log_file.fields == (
        "date", "time", "s-ip", "cs-method", "cs-uri-stem", "cs-uri-query", "s-port", "cs-username", "c-ip",
        "cs(User-Agent)", "cs(Referer)", "sc-status", "sc-substatus", "sc-win32-status", "time-taken",
    )  # fmt: skip


def test_defaults_of_sites_applications_and_virtual_directories(server: Server) -> None:
    """The entry itself, then application, site and sites; a pool's name is found whatever its case."""
    server.write(
        """<system.applicationHost>
        <applicationPools><add name="One" /><add name="Two" /></applicationPools>
        <sites>
          <site name="S" id="7">
            <application path="/" isolation="High" preloadEnabled="true">
              <virtualDirectory path="/" />
              <virtualDirectory path="/own" allowSubDirConfig="true" physicalPath="../media" />
              <virtualDirectoryDefaults physicalPath="../www" />
            </application>
            <application path="/two" applicationPool="tWO"><virtualDirectory path="/" /></application>
            <applicationDefaults applicationPool="one" />
            <virtualDirectoryDefaults allowSubDirConfig="false" physicalPath="../other" />
            <logFile period="Hourly" logExtFileFlags="Host, Time" />
          </site>
          <siteDefaults serverAutoStart="false">
            <limits maxConnections="5" connectionTimeout="00:00:09" />
            <logFile directory="../logs" enabled="false" truncateSize="1048576" maxLogLineLength="100" />
            <bindings><binding protocol="http" bindingInformation="*:81:" /></bindings>
          </siteDefaults>
          <applicationDefaults isolation="Low" applicationPool="Two" />
        </sites></system.applicationHost>""",
        sites=False,
    )
    site = server.snapshot().sites[0]
    two, root = site.applications
    assert (two.path, two.pool_name, two.isolation) == ("/two", "Two", ApplicationIsolation.LOW)
    assert (root.pool_name, root.isolation) == ("One", ApplicationIsolation.HIGH)
    assert (root.preload_enabled, two.preload_enabled) == (True, False)
    assert [(f.path, f.physical_path, f.allow_sub_dir_config) for f in root.virtual_directories] == [
        ("/own", f"{server.root}/media", True),
        ("/", f"{server.root}/www", False),
    ]
    assert two.physical_path == f"{server.root}/other"
    assert (site.auto_start, site.limits.max_connections, site.limits.connection_timeout_seconds) == (False, 5, 9)
    log = site.log_file
    assert (log.period, log.directory, log.enabled) == ("Hourly", f"{server.root}/logs", False)
    assert (log.fields, log.truncate_size, log.max_line_length) == (("time", "cs-host"), 1048576, 100)
    assert [binding.endpoint for binding in site.bindings] == ["*:81"]


def test_applications_and_virtual_directories_are_sorted_by_their_length(server: Server) -> None:
    """Who routes takes the first that fits."""
    server.write("")
    site = server.snapshot().sites[0]
    assert [one.path for one in site.applications] == ["/shop", "/"]
    assert [one.path for one in application(server.snapshot(), "/").virtual_directories] == ["/media", "/"]


def test_limits_of_the_listener(server: Server) -> None:
    """webLimits, times in seconds."""
    server.write(
        """<system.applicationHost><webLimits connectionTimeout="00:00:01" headerWaitTimeout="00:00:02"
        minBytesPerSecond="0" /></system.applicationHost>""",
        sites=False,
    )
    limits = server.snapshot().web_limits
    assert (limits.connection_timeout_seconds, limits.header_wait_timeout_seconds) == (1, 2)
    assert limits.min_bytes_per_second == 0


def test_the_listener_s_own_settings(server: Server) -> None:
    """HTTP.sys's registry values and believed proxies; the smaller size of the two lowers the other, as there."""
    server.write(
        """<system.applicationHost><listener maxFieldLength="9000" maxRequestBytes="8000" urlSegmentMaxLength="0"
        urlSegmentMaxCount="9" maxConnections="77" disableServerHeader="2"><forwardedHeaders header="Forwarded">
        <add ipAddress="10.0.0.1/8" /><add ipAddress="::1" /><add ipAddress="unix" />
        </forwardedHeaders></listener></system.applicationHost>""",
        sites=False,
    )
    listener = server.snapshot().listener
    assert (listener.max_field_bytes, listener.max_request_bytes) == (8000, 8000)
    assert (listener.url_segment_max_length, listener.url_segment_max_count) == (0, 9)
    assert listener.disable_server_header == 2
    assert listener.max_connections == 77
    forwarded = listener.forwarded_headers
    assert (forwarded.header, forwarded.trusts_unix_sockets) == ("Forwarded", True)
    assert [str(network) for network in forwarded.networks] == ["10.0.0.0/8", "::1/128"]


def test_what_isapy_cannot_serve_is_a_warning(server: Server) -> None:
    """Bindings of other protocols and other log formats are left out, not refused."""
    server.write(
        """<system.applicationHost><sites><site name="S" id="1">
        <application path="/"><virtualDirectory path="/" physicalPath="../www" /></application>
        <bindings><binding protocol="ftp" bindingInformation="*:21:" />
        <binding protocol="net.tcp" bindingInformation="808:*" /></bindings>
        <logFile logFormat="Custom" />
        </site></sites><log centralLogFileMode="CentralBinary" /></system.applicationHost>""",
        sites=False,
    )
    snapshot = server.snapshot()
    assert snapshot.sites[0].bindings == ()
    assert [line.partition("applicationHost.config:")[2] for line in snapshot.warnings] == [
        "4: binding/@protocol: isapy does not serve ftp yet; the binding is ignored",
        "5: binding/@protocol: isapy does not serve net.tcp yet; the binding is ignored",
        "6: logFile/@logFormat: isapy loads no logging component; the log is written in the W3C format",
        "7: log/@centralLogFileMode: isapy writes no binary log; each site has a log of its own, in its own format; "
        'write centralLogFileMode="CentralW3C" for one log of all sites',
    ]


def test_what_other_roles_of_iis_write_is_a_warning(server: Server) -> None:
    """FTP, WebDAV, load balancing, ASP.NET Core: whatever stands in there, also below siteDefaults."""
    server.write(
        """<system.applicationHost><sites><site name="S" id="1">
        <application path="/"><virtualDirectory path="/" physicalPath="../www" /></application>
        <bindings><binding protocol="http" bindingInformation="*:8080:" /></bindings>
        <ftpServer serverAutoStart="true"><security><ssl serverCertHash="" /></security></ftpServer></site>
        <siteDefaults><ftpServer><x /></ftpServer></siteDefaults>
        </sites></system.applicationHost>
        <system.ftpServer><serverRuntime /></system.ftpServer>
        <webFarms><webFarm name="x" /></webFarms>
        <system.webServer>
        <webdav><globalSettings /></webdav>
        <aspNetCore processPath="dotnet" />
        </system.webServer>""",
        sites=False,
    )
    lines = [line.partition("applicationHost.config:")[2] for line in server.snapshot().warnings]
    assert lines == [
        "5: ftpServer: isapy does not support this yet; it is ignored",
        "6: ftpServer: isapy does not support this yet; it is ignored",
        "8: system.ftpServer: isapy has no use for this section; it is ignored",
        "9: webFarms: isapy has no use for this section; it is ignored",
        "11: webdav: system.webServer/webdav is not supported yet and ignored: files are not changed",
        "12: aspNetCore: system.webServer/aspNetCore is not supported yet and ignored: no process of ASP.NET Core is "
        "started",
    ]


def test_every_name_of_an_access_policy_has_its_flag() -> None:
    """IIS's numbers."""
    policy = access_policy(("Read", "Write", "Execute", "Source", "Script", "NoRemoteWrite", "NoRemoteRead"))
    assert policy.value == 1 + 2 + 4 + 16 + 512 + 1024 + 4096
    assert access_policy(("NoRemoteExecute", "NoRemoteScript")).value == 8192 + 16384
    assert access_policy(()) is AccessPolicy.NONE
