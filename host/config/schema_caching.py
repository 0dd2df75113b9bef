"""`system.webServer/caching`: which answers the listener's cache takes, by extension."""

from __future__ import annotations

from typing import Final

from host.config.schema_types import (
    Collection,
    Element,
    Section,
    Support,
    boolean,
    choice,
    string,
    time_span,
    uint,
)

_POLICIES: Final = {"DontCache": 0, "CacheUntilChange": 1, "CacheForTimePeriod": 2, "DisableCache": 3}

CACHING: Final = Section(
    path="system.webServer/caching",
    element=Element(
        name="caching",
        meaning="the listener's cache of answers (IIS: the kernel cache); workers have no output cache",
        attributes=(
            boolean("enabled", True, "false: nothing of this URL enters the cache"),
            boolean("enableKernelCache", True, "false: the same"),
            uint("maxCacheSize", 0, "megabytes of the workers' output cache", support=Support.WITHOUT_MEANING),
            uint("maxResponseSize", 262144, "bytes of a file that is read to be cached"),
        ),
        elements=(
            Element(
                name="profiles",
                meaning="what may be cached by extension; without an entry static files alone are",
                collection=Collection(
                    remove="remove",
                    clear="clear",
                    merge_append=False,
                    entry=Element(
                        name="add",
                        meaning="answers of one extension",
                        attributes=(
                            string("extension", "with its dot; * stands for all", required=True, key=True),
                            choice(
                                "policy",
                                "DontCache",
                                "what the workers' output cache does",
                                _POLICIES,
                                support=Support.UNSUPPORTED,
                            ),
                            choice(
                                "kernelCachePolicy",
                                "DontCache",
                                "what the listener's cache does: CacheUntilChange watches the file that the URL maps "
                                "to, CacheForTimePeriod keeps an answer for duration, DisableCache keeps static "
                                "files out, too",
                                _POLICIES,
                            ),
                            time_span("duration", "00:00:30", "for CacheForTimePeriod", within=(1, 4294967)),
                            choice(
                                "location",
                                "Server",
                                "where clients and proxies may cache",
                                {"Any": 0, "Client": 1, "Downstream": 2, "Server": 3, "None": 4, "ServerAndClient": 5},
                                support=Support.UNSUPPORTED,
                            ),
                            boolean(
                                "sharedCache",
                                False,
                                "answers are stored, and used, as their Cache-Control, Expires and Vary and the "
                                "requests' fields say (RFC 9111, shared cache); kernelCachePolicy, duration and varyBy "
                                "mean nothing then, but DisableCache",
                                ours=True,
                            ),
                            string("varyByHeaders", "fields, semicolons between; any keeps the answer out"),
                            string("varyByQueryString", "query variables or *; any keeps the answer out"),
                        ),
                    ),
                ),
            ),
        ),
    ),
)
