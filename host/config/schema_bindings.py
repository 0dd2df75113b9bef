"""Where a site listens, and what it demands of its clients: bindings and strict transport security."""

from __future__ import annotations

from typing import Final

from host.config.schema_types import Collection, Element, Expansion, boolean, string, uint

BINDINGS: Final = Element(
    name="bindings",
    meaning="the addresses, ports and host names that the site answers; two started sites never have the same",
    collection=Collection(
        clear="clear",
        entry=Element(
            name="binding",
            meaning="one of them",
            attributes=(
                string("protocol", "http or https (others are accepted with a warning)", required=True, key=True),
                string(
                    "bindingInformation",
                    "ip:port:host; * is every address, *.example.org every host below it; unix:/path/of.sock:host is a "
                    "unix socket (ours)",
                    required=True,
                    key=True,
                ),
                string("socketMode", "permissions of a unix socket's file: octal digits", "666", ours=True),
                uint(
                    "sslFlags",
                    0,
                    "https; 1: for clients that name this host (SNI), 32: no TLS 1.3; 4, 8, 16, 64 are so in any case",
                ),
                string(
                    "certificateFile",
                    "https: PEM file with the certificate and its chain",
                    expansion=Expansion.PATH,
                    ours=True,
                ),
                string(
                    "certificateKeyFile",
                    "https: PEM file with the private key; empty: it stands in certificateFile",
                    expansion=Expansion.PATH,
                    ours=True,
                ),
                string(
                    "clientCertificateAuthorities",
                    "https: PEM file of authorities whose client certificates are believed; empty: none is asked for",
                    expansion=Expansion.PATH,
                    ours=True,
                ),
            ),
        ),
    ),
)

HSTS: Final = Element(
    name="hsts",
    meaning="HTTP strict transport security",
    attributes=(
        boolean("enabled", False, "send the Strict-Transport-Security field over TLS"),
        uint("max-age", 0, "seconds for which clients use TLS only"),
        boolean("includeSubDomains", False, "for the hosts below, too"),
        boolean("preload", False, "browsers may build the host into their lists"),
        boolean("redirectHttpToHttps", False, "plain requests are sent to the site's first https binding (301)"),
    ),
)
