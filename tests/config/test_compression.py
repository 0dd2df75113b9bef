"""httpCompression and urlCompression as the worker gets them."""

from __future__ import annotations

from host.config.compression import Compression, Scheme
from host.config.store import check_tree
from tests.config.server_sample import Server, application

EVERYTHING = """<system.webServer>
  <isapiFilters><filter name="compression" /></isapiFilters>
  <urlCompression doStaticCompression="false" doDynamicCompression="false" dynamicCompressionBeforeCache="true" />
  <httpCompression directory="/x" doDiskSpaceLimiting="true" maxDiskSpaceUsage="3" minFileSizeForComp="4"
      minResponseSizeForComp="5" noCompressionForHttp10="false" noCompressionForProxies="false"
      noCompressionForRange="false" sendCacheHeaders="true" expiresHeader="E" cacheControlHeader="C"
      staticCompressionIgnoreHitFrequency="true" staticCompressionDisableCpuUsage="91"
      staticCompressionEnableCpuUsage="81" dynamicCompressionDisableCpuUsage="71"
      dynamicCompressionEnableCpuUsage="61" dynamicCompressionBufferLimit="7">
    <scheme name="gzip" dll="%Windir%\\system32\\inetsrv\\gzip.dll"
        doStaticCompression="false" dynamicCompressionLevel="2" />
    <scheme name="zstd" doDynamicCompression="false" staticCompressionLevel="9" />
    <staticTypes><clear /><add mimeType="Text/CSS" /></staticTypes>
    <dynamicTypes><clear /><add mimeType="application/json; charset=UTF-8" enabled="false" /></dynamicTypes>
  </httpCompression>
</system.webServer>"""


def compression_of(server: Server) -> Compression:
    configuration = server.configuration()
    return configuration.settings_for(application(configuration.snapshot, "/"), "/").compression


def test_every_attribute_arrives(server: Server) -> None:
    """Each with a value of its own, so that no two are mixed up."""
    server.write(EVERYTHING)
    assert compression_of(server) == Compression(
        is_static_on=False,
        is_dynamic_on=False,
        schemes=(
            Scheme(name="gzip", is_for_static=False, dynamic_level=2),
            Scheme(name="zstd", is_for_dynamic=False, static_level=9),
        ),
        static_types={"text/css": True},
        dynamic_types={"application/json;charset=utf-8": False},
        min_file_bytes=4,
        min_response_bytes=5,
        not_for_http_1_0=False,
        not_for_proxies=False,
        not_for_ranges=False,
        sends_cache_headers=True,
        expires="E",
        cache_control="C",
        ignores_hit_frequency=True,
        most_disk_bytes=3 * 1048576,
        static_disable_percent=91,
        static_enable_percent=81,
        dynamic_disable_percent=71,
        dynamic_enable_percent=61,
    )


def test_without_disk_space_limiting_there_is_no_limit(server: Server) -> None:
    """doDiskSpaceLimiting="false" makes maxDiskSpaceUsage meaningless."""
    server.write(EVERYTHING.replace('doDiskSpaceLimiting="true"', 'doDiskSpaceLimiting="false"'))
    assert compression_of(server).most_disk_bytes == 0


def test_the_defaults_know_what_compresses_well(server: Server) -> None:
    """Texts, scripts and drawings; a scheme in the server's file replaces all of the defaults'."""
    server.write("")
    settings = compression_of(server)
    assert [scheme.name for scheme in settings.schemes] == ["br", "zstd", "gzip"]
    assert (settings.static_types["text/*"], settings.static_types["image/svg+xml"]) == (True, True)
    assert settings.static_types["*/*"] is settings.dynamic_types["*/*"] is False
    server.write('<system.webServer><httpCompression><scheme name="gzip" /></httpCompression></system.webServer>')
    assert [scheme.name for scheme in compression_of(server).schemes] == ["gzip"]


def test_a_web_config_chooses_types_but_no_disk_space(server: Server) -> None:
    """What a site costs on disk is the server's business."""
    server.write('<system.webServer><isapiFilters><filter name="compression" /></isapiFilters></system.webServer>')
    server.web_config("www", '<httpCompression><dynamicTypes><add mimeType="a/b" /></dynamicTypes></httpCompression>')
    assert compression_of(server).dynamic_types["a/b"] is True
    server.web_config("www", '<httpCompression maxDiskSpaceUsage="9000" />')
    errors, _ = check_tree(server.source())
    assert [error.attribute for error in errors] == ["maxDiskSpaceUsage"]
