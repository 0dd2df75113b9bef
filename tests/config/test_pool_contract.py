"""IIS's attributes of an application pool: names, defaults, ranges and numbers, written down once more from Microsoft's
configuration reference. A schema that drifts away from IIS is noticed here, its own page would drift with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host.config.schema import SECTIONS
from host.config.schema_pools import POOL
from host.config.schema_types import Attribute, Element

FLAGS = "Time=1 Requests=2 Schedule=4 Memory=8 IsapiUnhealthy=16 OnDemand=32 ConfigChange=64 PrivateMemory=128"
EVER = "1..4294967"
UINT = "0..4294967295"

POOLS = f"""
@name | string | | required
@queueLength | uint | 1000 | 10..65535
@autoStart | bool | true |
@startMode | enum | OnDemand | OnDemand=0 AlwaysRunning=1
@enable32BitAppOnWin64 | bool | false |
@managedRuntimeVersion | string | |
@managedRuntimeLoader | string | webengine4.dll |
@managedPipelineMode | enum | Integrated | Integrated=0 Classic=1
@CLRConfigFile | string | |
@enableConfigurationOverride | bool | true |
@passAnonymousToken | bool | true |
processModel/@identityType | enum | ApplicationPoolIdentity | LocalSystem=0 LocalService=1 NetworkService=2 \
SpecificUser=3 ApplicationPoolIdentity=4
processModel/@userName | string | |
processModel/@password | string | |
processModel/@loadUserProfile | bool | false |
processModel/@setProfileEnvironment | bool | true |
processModel/@logonType | enum | LogonBatch | LogonBatch=0 LogonService=1
processModel/@manualGroupMembership | bool | false |
processModel/@idleTimeout | time_span | 00:20:00 | 0..2592000 by 60
processModel/@idleTimeoutAction | enum | Terminate | Terminate=0 Suspend=1
processModel/@maxProcesses | uint | 1 | 0..2147483647
processModel/@shutdownTimeLimit | time_span | 00:01:30 | {EVER}
processModel/@startupTimeLimit | time_span | 00:01:30 | {EVER}
processModel/@pingingEnabled | bool | true |
processModel/@pingInterval | time_span | 00:00:30 | {EVER}
processModel/@pingResponseTime | time_span | 00:01:30 | {EVER}
processModel/@logEventOnProcessModel | flags | IdleTimeout | None=0 IdleTimeout=1
processModel/@requestQueueDelegatorIdentity | string | |
recycling/@disallowOverlappingRotation | bool | false |
recycling/@disallowRotationOnConfigChange | bool | false |
recycling/@logEventOnRecycle | flags | {", ".join(part.partition("=")[0] for part in FLAGS.split())} | None=0 {FLAGS}
recycling/periodicRestart/@memory | uint | 0 | {UINT}
recycling/periodicRestart/@privateMemory | uint | 0 | {UINT}
recycling/periodicRestart/@requests | uint | 0 | {UINT}
recycling/periodicRestart/@time | time_span | 29:00:00 | 0..25920000 by 60
recycling/periodicRestart/schedule/add/@value | time_span | | 0..86399 by 60 required
failure/@loadBalancerCapabilities | enum | HttpLevel | TcpLevel=1 HttpLevel=2
failure/@orphanWorkerProcess | bool | false |
failure/@orphanActionExe | string | |
failure/@orphanActionParams | string | |
failure/@rapidFailProtection | bool | true |
failure/@rapidFailProtectionInterval | time_span | 00:05:00 | 60..8640000 by 60
failure/@rapidFailProtectionMaxCrashes | uint | 5 | 1..2147483647
failure/@autoShutdownExe | string | |
failure/@autoShutdownParams | string | |
cpu/@limit | uint | 0 | 0..100000
cpu/@action | enum | NoAction | NoAction=0 KillW3wp=1 Throttle=2 ThrottleUnderLoad=3
cpu/@resetInterval | time_span | 00:05:00 | 0..86400 by 60
cpu/@smpAffinitized | bool | false |
cpu/@smpProcessorAffinityMask | uint | 4294967295 | 1..4294967295
cpu/@smpProcessorAffinityMask2 | uint | 4294967295 | 1..4294967295
cpu/@processorGroup | int | 0 |
cpu/@numaNodeAssignment | enum | MostAvailableMemory | MostAvailableMemory=0 WindowsScheduling=1
cpu/@numaNodeAffinityMode | enum | Soft | Soft=0 Hard=1
environmentVariables/add/@name | string | | required
environmentVariables/add/@value | string | | required
"""

WEB_LIMITS = f"""
@connectionTimeout | time_span | 00:02:00 | 0..65535
@headerWaitTimeout | time_span | 00:00:00 | 0..65535
@minBytesPerSecond | uint | 240 | {UINT}
@maxGlobalBandwidth | uint | 4294967295 | {UINT}
@demandStartThreshold | uint | 2147483647 | 10..2147483647
@dynamicIdleThreshold | uint | 0 | 0..10000
@dynamicRegistrationThreshold | uint | 100 | {UINT}
"""


def rows(element: Element, path: str = "") -> Iterator[str]:
    """A line for each attribute that IIS has, of the element and of those inside."""
    for attribute in element.attributes:
        if not attribute.ours:
            yield f"{path}@{attribute.name} | {attribute.kind.name.lower()} | {attribute.default} | {limits(attribute)}"
    for part in element.elements:
        yield from rows(part, f"{path}{part.name}/")
    if element.collection is not None and not element.ours:
        yield from rows(element.collection.entry, f"{path}add/")


def limits(attribute: Attribute) -> str:
    """`10..65535`, `0..86399 by 60 required`, `OnDemand=0 AlwaysRunning=1`."""
    words = [f"{name}={number}" for name, number in attribute.names]
    if attribute.minimum is not None:
        words.append(f"{attribute.minimum}..{attribute.maximum}")
    words += [f"by {attribute.granularity}"] * (attribute.granularity != 1) + ["required"] * attribute.required
    return " ".join(words)


@pytest.mark.parametrize(
    ("element", "table"),
    [(POOL, POOLS), (SECTIONS["system.applicationHost/webLimits"].element, WEB_LIMITS)],
    ids=["applicationPools", "webLimits"],
)
def test_names_defaults_and_ranges_are_iiss(element: Element, table: str) -> None:
    """In the order of IIS's schema. Attributes of ours are marked so, and are none of this test's business."""
    assert [" ".join(row.split()) for row in rows(element)] == [
        " ".join(row.split()) for row in table.split("\n") if row
    ]
