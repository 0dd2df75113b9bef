"""A whole configuration as IIS leaves it behind, with the web.config of one application: every setting that results."""

from __future__ import annotations

import shutil

import pytest

from host.config.compression import Compression, Scheme
from host.config.model import (
    ApplicationInitialization,
    CustomError,
    HttpErrors,
    PathSettings,
    RequestFiltering,
    Restriction,
    StaticContent,
)
from host.config.names import AccessPolicy, ResponseMode
from host.config.path_settings import is_loadable_module
from host.config.pipeline_entries import Filter, Handler
from host.config.store import ServerConfiguration, check_tree
from tests.config.server_sample import DATA, Server, application


@pytest.fixture
def sample(server: Server) -> ServerConfiguration:
    """The sample with its web.config in the folder of the application /library."""
    shutil.copy(DATA / "sample/applicationHost.config", server.file)
    shutil.copy(DATA / "sample/web.config", server.root / "shop/web.config")
    return server.configuration()


def test_the_sample_is_sound(server: Server, sample: ServerConfiguration) -> None:
    """What isapy does not support yet is named, nothing is an error."""
    errors, warnings = check_tree(server.source())
    assert errors == []
    assert [(warning.line, warning.element) for warning in warnings] == [
        (43, "configHistory"),
        (44, "listenerAdapters"),
        (78, "globalModules"),
        (86, "customHeaders"),  # no filter is listed that obeys it
        (95, "requestFiltering"),
        (12, "profiles/add"),
        (16, "handlers/add"),  # the program is not there
        (23, "customHeaders"),
        (29, "requestFiltering"),
        (53, "requestFiltering"),
    ]
    assert len(sample.snapshot.warnings) == 5


def test_pools_and_sites_of_the_sample(server: Server, sample: ServerConfiguration) -> None:
    """Defaults and own values side by side."""
    pool = sample.snapshot.pool("Library")
    assert (pool.max_processes, pool.idle_timeout_seconds, pool.periodic_restart_seconds) == (2, 0, 43200)
    assert (pool.managed_pipeline_mode, pool.rapid_fail_max_crashes) == ("Classic", 4)
    site = sample.snapshot.sites[0]
    assert (site.log_file.directory, site.log_file.period) == (f"{server.root}/logs", "Hourly")
    assert site.limits.max_connections == 500


def test_settings_of_the_application_with_a_web_config(server: Server, sample: ServerConfiguration) -> None:
    """Every field that one of the two files touches."""
    root = server.root
    settings = sample.settings_for(application(sample.snapshot, "/library"), "/library/list.report")
    assert settings.handlers[0] == Handler(
        name="Report",
        path="*.report",
        verb="GET",
        modules="CgiModule",
        script_processor=f"{root}/bin/report",
        resource_type="File",
    )
    assert [one.name for one in settings.handlers[1:]] == ["CGI-exe", "TRACEVerbHandler", "StaticFile"]
    assert settings.default_documents == ("catalogue.htm", "Default.htm", "index.html")
    assert settings.http_errors == HttpErrors(
        error_mode="Custom",
        errors=(
            CustomError(status=500, sub_status=-1, path=f"{root}/errors/500.htm", response_mode=ResponseMode.FILE),
            CustomError(status=404, sub_status=-1, path="/library/missing.htm", response_mode=ResponseMode.EXECUTE_URL),
        ),
    )
    assert settings.custom_headers == (("X-Frame-Options", "DENY"),)
    assert settings.request_filtering == RequestFiltering(
        allow_double_escaping=True,
        max_allowed_content_length=1048576,
        header_limits={"cookie": 4096},
        allow_unlisted_verbs=False,
        verbs={"GET": True, "POST": True},
        hidden_segments=("web.config", "bin"),
        deny_url_sequences=("..",),
    )
    static = settings.static_content
    assert (static.mime_map[".txt"], static.mime_map[".css"]) == ("text/plain; charset=utf-8", "text/css")
    assert (static.cache_control_mode, static.cache_control_max_age_seconds) == ("UseMaxAge", 172800)
    assert settings.restrictions == (Restriction(path=f"{root}/bin/report", allowed=True),)
    assert settings.cgi.timeout_seconds == 300
    assert settings.modules == ()


def test_other_paths_of_the_sample(sample: ServerConfiguration) -> None:
    """The location of the web.config, the location of the server's file, and the rest."""
    library, root = application(sample.snapshot, "/library"), application(sample.snapshot, "/")
    admin = sample.settings_for(library, "/library/admin/x").request_filtering
    assert (admin.allow_high_bit_characters, admin.max_allowed_content_length) == (False, 1048576)
    assert sample.settings_for(library, "/library/x").request_filtering.allow_high_bit_characters
    cgi = sample.settings_for(root, "/cgi-bin/a.exe").access_policy
    assert cgi == AccessPolicy.READ | AccessPolicy.SCRIPT | AccessPolicy.EXECUTE
    home = sample.settings_for(root, "/")
    assert home.access_policy == AccessPolicy.READ | AccessPolicy.SCRIPT
    assert home.default_documents == ("Default.htm", "index.html", "welcome.htm")
    assert home.custom_headers == (("X-Frame-Options", "SAMEORIGIN"),)


def test_without_any_section_the_settings_are_those_of_the_model(server: Server) -> None:
    """The schema's defaults and the model's agree, except where the model has no list to offer."""
    server.write("")
    configuration = server.configuration()
    settings = configuration.settings_for(application(configuration.snapshot, "/"), "/")
    lists = {
        "access_policy": settings.access_policy,
        "handlers": settings.handlers,
        "default_documents": settings.default_documents,
        "static_content": StaticContent(mime_map=settings.static_content.mime_map),
        "compression": Compression(
            schemes=(Scheme(name="br"), Scheme(name="zstd"), Scheme(name="gzip")),
            static_types=settings.compression.static_types,
            dynamic_types=settings.compression.dynamic_types,
        ),
        "request_filtering": RequestFiltering(hidden_segments=("web.config",)),
    }
    assert settings == PathSettings(**lists)  # type: ignore[arg-type]  # the values are of the fields' types


def test_every_field_of_the_smaller_sections_arrives(server: Server) -> None:
    """One attribute each, so that no two are mixed up."""
    server.write(
        """<system.webServer>
  <cgi timeout="00:00:01" passAuthorization="true" />
  <serverRuntime appConcurrentRequestLimit="2" />
  <applicationInitialization doAppInitAfterRestart="true">
    <add initializationPage="/warm.py?a=1" hostName="www.example.org" /><add initializationPage="list" />
  </applicationInitialization>
  <staticContent followSymbolicLinksOutsideRoot="true">
    <clientCache cacheControlCustom="public" httpExpires="Thu, 01 Jan 2032 00:00:00 GMT" setEtag="false" />
  </staticContent>
  <isapiFilters><filter name="trace" enabled="false" enableCache="true" preCondition="integratedMode" /></isapiFilters>
  <defaultDocument enabled="false" />
  <security>
    <isapiCgiRestriction notListedIsapisAllowed="true" notListedCgisAllowed="true" />
    <requestFiltering allowHighBitCharacters="false">
      <requestLimits maxUrl="10" maxQueryString="11" />
      <fileExtensions allowUnlisted="false"><add fileExtension=".TXT" allowed="true" /></fileExtensions>
      <denyQueryStringSequences><add sequence="Drop" /></denyQueryStringSequences>
      <alwaysAllowedUrls><add url="/Ok" /></alwaysAllowedUrls>
    </requestFiltering>
  </security>
</system.webServer>"""
    )
    configuration = server.configuration()
    settings = configuration.settings_for(application(configuration.snapshot, "/"), "/")
    cgi, static, filtering = settings.cgi, settings.static_content, settings.request_filtering
    assert (cgi.timeout_seconds, cgi.pass_authorization) == (1, True)
    assert settings.app_concurrent_request_limit == 2
    assert settings.application_initialization == ApplicationInitialization(
        do_app_init_after_restart=True, pages=(("/warm.py?a=1", "www.example.org"), ("list", ""))
    )
    assert (static.follow_symbolic_links_outside_root, static.cache_control_custom) == (True, "public")
    assert (static.http_expires, static.set_etag) == ("Thu, 01 Jan 2032 00:00:00 GMT", False)
    assert settings.filters == (Filter(name="trace", enabled=False, enable_cache=True, pre_condition="integratedMode"),)
    assert settings.default_document_enabled is False
    assert (settings.not_listed_isapis_allowed, settings.not_listed_cgis_allowed) == (True, True)
    assert (filtering.allow_high_bit_characters, filtering.max_url, filtering.max_query_string) == (False, 10, 11)
    assert (filtering.allow_unlisted_extensions, filtering.extensions) == (False, {".txt": True})
    assert filtering.deny_query_string_sequences == ("drop",)
    assert filtering.always_allowed_urls == ("/ok",)


@pytest.mark.parametrize(
    ("name", "module_type", "expected"),
    [
        ("StaticFileModule", "", False),
        ("trace", "", True),
        ("Forms", "System.Web.Security.FormsAuthenticationModule", False),
        ("CgiModule", "/srv/cgi.py", True),
    ],
)
def test_which_modules_are_plugins(name: str, module_type: str, expected: bool) -> None:
    """IIS's native ones are built in, types of .NET cannot be loaded."""
    assert is_loadable_module(name, module_type) is expected
