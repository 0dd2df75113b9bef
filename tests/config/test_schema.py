"""The declarations themselves: sound, complete, and with IIS's names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host.config.inheritance import starting_point
from host.config.mime_types import DEFAULT_MIME_MAP
from host.config.schema import FOREIGN_SECTIONS, SECTION_GROUPS, SECTIONS, UNSUPPORTED_SECTIONS, elements_of
from host.config.schema_types import Attribute, Element, Kind, Section
from host.config.values import default_value, parse_value

IIS_NAMES = """
system.applicationHost/applicationPools system.applicationHost/sites system.applicationHost/log
system.web/httpModules system.web/httpHandlers system.webServer/validation
system.applicationHost/webLimits system.webServer/handlers system.webServer/isapiFilters system.webServer/modules
system.webServer/globalModules system.webServer/caching system.webServer/cgi system.webServer/fastCgi
system.webServer/httpLogging system.webServer/staticContent system.webServer/defaultDocument
system.webServer/httpCompression system.webServer/urlCompression
system.webServer/directoryBrowse system.webServer/httpErrors system.webServer/httpProtocol
system.webServer/applicationInitialization
system.webServer/serverRuntime system.webServer/security/isapiCgiRestriction system.webServer/security/requestFiltering
system.webServer/security/access
system.webServer/security/authentication/anonymousAuthentication
system.webServer/security/authentication/basicAuthentication system.webServer/security/authorization
"""


def attributes() -> Iterator[tuple[str, Attribute]]:
    for section in SECTIONS.values():
        for path, element in elements_of(section):
            for attribute in element.attributes:
                yield f"{path}/@{attribute.name}", attribute


@pytest.mark.parametrize(("name", "attribute"), list(attributes()), ids=[name for name, _ in attributes()])
def test_an_attribute_is_declared_soundly(name: str, attribute: Attribute) -> None:
    """A default that its own declaration accepts, names for enum and flags, a meaning in one line."""
    assert attribute.meaning
    assert "\n" not in attribute.meaning
    assert bool(attribute.names) == (attribute.kind in (Kind.ENUM, Kind.FLAGS))
    if attribute.default:
        assert parse_value(attribute, attribute.default) == default_value(attribute)
    elif attribute.kind is not Kind.STRING:
        assert attribute.required or "Defaults/" in name


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_a_section_is_declared_soundly(section: Section) -> None:
    """The path ends with the element's name, entries have keys, names are unique, groups are known."""
    group, _, name = section.path.rpartition("/")
    assert (group in SECTION_GROUPS, name) == (True, section.element.name)
    for path, element in elements_of(section):
        assert element.meaning, path
        names = [part.name for part in element.attributes] + [part.name for part in element.elements]
        assert len(names) == len(set(names)), path
        if element.collection:
            assert element.collection.entry.keys, path


def test_the_sections_are_iiss_and_three_of_ours() -> None:
    """Ours are marked."""
    assert {path for path, section in SECTIONS.items() if not section.ours} == set(IIS_NAMES.split())
    assert [path for path, section in SECTIONS.items() if section.ours] == [
        "system.applicationHost/isolation",
        "system.applicationHost/listener",
        "system.webServer/pythonApplication",
    ]


OURS = {
    "isolation/@mode",
    "isolation/@maxConcurrentRequests",
    "applicationPools/add/@preloadApplications",
    "applicationPools/@identityRangeFirst",
    "applicationPools/@identityRangeLast",
    "applicationPools/add/processModel/@maxConcurrentRequests",
    "applicationPools/add/processModel/@requestTimeLimit",
    "applicationPools/add/processModel/@noNewPrivileges",
    "applicationPools/add/sandbox/@mode",
    "applicationPools/add/sandbox/add/@path",
    "applicationPools/add/sandbox/add/@access",
    "cgi/@interpreters",
    *(
        f"cgi/@{name}"
        for name in (
            *("firstByteTimeout", "idleTimeout", "outputSizeLimit", "maxInstances", "queueLength"),
            "sendfileRoots",
            "acceptPathInfo",
        )
    ),
    "cgi/languages/add/@name",
    "cgi/languages/add/@path",
    "cgi/@processorTimeLimit",
    "cgi/@addressSpaceLimit",
    "cgi/@openFilesLimit",
    "cgi/@processesLimit",
    "applicationPools/add/failure/@actionTimeLimit",
    "applicationPools/add/failure/@replayIdempotentRequests",
    "sites/site/application/@isolation",
    "sites/site/application/virtualDirectory/@caseInsensitivePaths",
    "sites/site/bindings/binding/@socketMode",
    "sites/site/bindings/binding/@certificateFile",
    "sites/site/bindings/binding/@certificateKeyFile",
    "sites/site/bindings/binding/@clientCertificateAuthorities",
    "listener/@maxFieldLength",
    "listener/@maxRequestBytes",
    "listener/@uriEnableCache",
    "listener/@uriMaxUriBytes",
    "listener/@uriMaxCacheMegabyteCount",
    "listener/@uriScavengerPeriod",
    "listener/@userName",
    "listener/@urlSegmentMaxLength",
    "listener/@urlSegmentMaxCount",
    "listener/@maxConnections",
    "listener/@processes",
    "listener/@bodyReadAhead",
    "listener/@disableServerHeader",
    "listener/forwardedHeaders/@header",
    "listener/forwardedHeaders/add/@ipAddress",
    "handlers/add/@threadingModel",
    "basicAuthentication/@userFile",
    "basicAuthentication/@groupFile",
    "cgi/@passAuthorization",
    "cgi/@runAs",
    "cgi/@privateTemp",
    "caching/profiles/add/@sharedCache",
    *(f"pythonApplication/@{name}" for name in ("monitorChanges", "multithread", "lifespan", "disconnectTimeLimit")),
    "httpCompression/@minResponseSizeForComp",
    "staticContent/@followSymbolicLinksOutsideRoot",
    "staticContent/@servePrecompressedFiles",
}


def test_the_attributes_of_ours_are_marked() -> None:
    """Whoever moves a configuration back to IIS must find them."""
    assert {name for name, attribute in attributes() if attribute.ours and "Defaults/" not in name} == OURS


def test_no_name_is_supported_and_unsupported_at_once() -> None:
    """Each section has one fate, with a reason."""
    assert not set(SECTIONS) & set(UNSUPPORTED_SECTIONS)
    assert not {path.partition("/")[0] for path in SECTIONS} & FOREIGN_SECTIONS
    assert all(UNSUPPORTED_SECTIONS.values())


def test_default_entries_are_what_iiss_setup_writes() -> None:
    """Handlers, documents, hidden segments and the MIME map stand above every file."""

    def entries(path: str, *children: str) -> list[Element]:
        effective = starting_point(SECTIONS[path].element)
        for child in children:
            effective = effective.child(child)
        return [entry.effective.element for entry in effective.entries if entry.is_default]

    assert len(entries("system.webServer/handlers")) == 1
    assert len(entries("system.webServer/defaultDocument", "files")) == 5
    assert len(entries("system.webServer/security/requestFiltering", "hiddenSegments")) == 1
    assert len(entries("system.webServer/security/authorization")) == 1
    assert len(entries("system.webServer/staticContent")) == len(DEFAULT_MIME_MAP)


def test_the_mime_map_has_common_types_and_no_sources_or_settings() -> None:
    """A script or a key that lies in a site by mistake is not served as text."""
    for extension in (".html", ".css", ".js", ".mjs", ".json", ".png", ".webp", ".avif", ".svg", ".woff2", ".md"):
        assert extension in DEFAULT_MIME_MAP
    for extension in (".py", ".cgi", ".pl", ".php", ".sh", ".ini", ".conf", ".yaml", ".pem", ".key", ".sql", ".log"):
        assert extension not in DEFAULT_MIME_MAP
    assert all(name == name.lower() and name.startswith(".") for name in DEFAULT_MIME_MAP)
