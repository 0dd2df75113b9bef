"""on_read_raw_data: filters that see bytes before they are parsed (IIS 5 isolation mode, in inetinfo)."""

from __future__ import annotations

from collections.abc import Sequence

from host.api import FilterStatus, RawData
from host.worker.calling import HookCaller
from host.worker.connection_facts import connection_of
from host.worker.hooks import Hook


def see_raw_data(hooks: Sequence[Hook], raw_connection: bytes, data: bytes, caller: HookCaller) -> bytes:
    """`data` as the filters leave it. A filter that fails is an event; the bytes go on as they are then."""
    connection = connection_of(raw_connection, is_secure=False)
    raw = RawData(data)
    for hook in hooks:
        before = raw.data
        try:
            answer = hook.function(connection, raw)
            if not isinstance(raw.data, bytes):
                raise TypeError(f"RawData.data must stay bytes, not {type(raw.data).__name__}")
            if answer is not None and not isinstance(answer, FilterStatus):
                raise TypeError(f"on_read_raw_data must not return a {type(answer).__name__}")
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raw.data = before
            caller.blame(hook, error, connection)
            continue
        if answer is FilterStatus.HANDLED_NOTIFICATION:
            break
    return raw.data
