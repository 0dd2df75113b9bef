"""preCondition."""

from __future__ import annotations

import pytest

from host.worker.preconditions import holds, is_for_managed_handlers


@pytest.mark.parametrize(
    ("condition", "is_classic", "expected"),
    [
        ("", False, True),
        ("integratedMode", False, True),
        ("integratedMode", True, False),
        ("classicMode", True, True),
        ("bitness64", False, True),
        ("bitness32", False, False),
        ("classicMode, bitness64", True, True),
        ("classicMode,runtimeVersionv4.0", True, False),
        ("managedHandler", False, False),
    ],
)
def test_every_condition_of_the_list_must_hold(condition: str, is_classic: bool, expected: bool) -> None:
    """Of a pool without managedRuntimeVersion, in a place where no request is asked."""
    assert holds(condition, is_classic=is_classic) is expected


def test_the_runtime_version_is_the_pools() -> None:
    """managedRuntimeVersion="v4.0" makes runtimeVersionv4.0 hold, and no other."""
    assert holds("runtimeVersionV4.0", is_classic=False, runtime_version="v4.0")
    assert not holds("runtimeVersionv2.0", is_classic=False, runtime_version="v4.0")


def test_managed_handler_is_left_to_the_request() -> None:
    """It holds where each request is asked later, and only beside others that hold."""
    assert holds("managedHandler", is_classic=False, may_be_for_managed_handlers=True)
    assert not holds("managedHandler,classicMode", is_classic=False, may_be_for_managed_handlers=True)
    assert is_for_managed_handlers(" integratedMode, ManagedHandler ")
    assert not is_for_managed_handlers("integratedMode")
