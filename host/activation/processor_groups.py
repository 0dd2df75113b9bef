"""cgroup v2 groups of pools whose processor time is limited, where this service may make any."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from host.confinement.control_group import ControlGroup, PoolGroup, own_control_group


class ProcessorGroups:
    """The groups of one service. Nothing is looked at, moved or made before the first pool needs it."""

    def __init__(self, find: Callable[[], ControlGroup] = own_control_group) -> None:
        self._find = find
        self._own: ControlGroup | None = None
        self._pools: dict[str, PoolGroup] = {}
        self.problem = ""  # why there are none; known after the first question

    def are_available(self) -> bool:
        """Whether groups can be made; the first call makes room for them."""
        if self._own is None:
            self._own = self._find()
            self.problem = self._own.problem
            if not self.problem:
                self._try(self._own.delegate)
        return not self.problem

    def limit(self, pool_name: str, share: float, pids: Iterable[int]) -> bool:
        """Hold the processes of the pool to `share` processors; false when no group can do it."""
        return self.are_available() and self._try(lambda: self._apply(pool_name, share, pids))

    def release(self, pool_name: str) -> None:
        """The pool has no limit any more."""
        group = self._pools.get(pool_name)
        if group is not None:
            self._try(lambda: group.limit(0.0))

    def remove(self, pool_name: str) -> None:
        """The pool is gone; a group whose processes have not all ended yet stays."""
        group = self._pools.pop(pool_name, None)
        if group is not None:
            group.remove()

    def _apply(self, pool_name: str, share: float, pids: Iterable[int]) -> None:
        assert self._own is not None
        group = self._pools.get(pool_name)
        if group is None:
            group = self._pools[pool_name] = self._own.pool(pool_name)
        group.limit(share)
        members = group.members()
        for pid in pids:
            if pid not in members:
                with contextlib.suppress(ProcessLookupError):  # a program that has ended since it was seen
                    group.add(pid)

    def _try(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except OSError as error:
            self.problem = f"the control group refuses: {error}"
            return False
        return True
