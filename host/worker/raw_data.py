"""on_read_raw_data: filters that see bytes before they are parsed (IIS 5 isolation mode, in inetinfo).

The filters stand one behind the other. One that says READ_NEXT keeps what it has got and is called again with that and
more; what the filters before it have passed on stays passed on. Only server-wide filters take part: the bytes come
before their site is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from host.api import Connection, FilterStatus, RawData
from host.api.ctrl_c import is_ctrl_c
from host.worker.calling import HookCaller
from host.worker.filter_changes import check_change
from host.worker.filter_output import FilterOutput, output_of
from host.worker.hooks import Hook
from host.worker.plugin_error import PluginError

MOST_HELD_BYTES: Final = 1024 * 1024
"""What a filter may keep of one connection by READ_NEXT: a client must not fill the memory through it."""

_KEY: Final = "isapy.raw data"


class RawVerdict(NamedTuple):
    """What becomes of bytes: those to parse, those for the client, whether the connection ends, the error if it is one
    (a 500 then)."""

    data: bytes
    output: bytes = b""
    is_end: bool = False
    error: str = ""


class _Ended(Exception):
    """A filter wants no more of this connection; `error` is empty when it said so by FINISHED."""

    def __init__(self, error: str = "") -> None:
        super().__init__(error)
        self.error = error


class _Stage:
    """One filter and one connection: what has not been shown to it yet, and what it has kept."""

    __slots__ = ("held", "hook", "next_size", "waiting")

    def __init__(self, hook: Hook) -> None:
        self.hook = hook
        self.held = b""
        self.waiting = b""
        self.next_size = 0  # SET_NEXT_READ_SIZE; 0: whatever has come


class RawDataFilters:
    """The filters of a process that see raw data."""

    def __init__(self, caller: HookCaller) -> None:
        self._caller = caller
        self.hooks: tuple[Hook, ...] = ()

    def see(self, connection: Connection, data: bytes) -> RawVerdict:
        """Show them what has come on that connection."""
        output = output_of(connection.state)
        parsed: list[bytes] = []
        try:
            self._show(self._stages(connection), 0, connection, data, output, parsed.append)
        except _Ended as ended:
            return RawVerdict(b"", output.take_written(), True, ended.error)
        return RawVerdict(b"".join(parsed), output.take_written())

    def _stages(self, connection: Connection) -> Sequence[_Stage]:
        stages: list[_Stage] | None = connection.state.get(_KEY)
        if stages is None:
            stages = connection.state[_KEY] = [_Stage(hook) for hook in self.hooks]
        return stages

    def _show(  # the last ones are where everything ends up
        self,
        stages: Sequence[_Stage],
        at: int,
        connection: Connection,
        data: bytes,
        output: FilterOutput,
        parse: Callable[[bytes], Any],
    ) -> None:
        """Show `data` to the filter at that place and those behind it."""
        if at == len(stages):
            parse(data)
            return
        stage = stages[at]
        stage.waiting += data
        while stage.waiting:
            size = stage.next_size or len(stage.waiting)
            raw = RawData(stage.held + stage.waiting[:size])
            stage.waiting, stage.held, stage.next_size = stage.waiting[size:], b"", 0
            answer = self._ask(stage.hook, connection, raw, output)
            if answer is FilterStatus.READ_NEXT:
                stage.held, stage.next_size = raw.data, output.next_read_size
                if len(stage.held) > MOST_HELD_BYTES:
                    raise self._failed(stage.hook, connection, f"more than {MOST_HELD_BYTES} bytes kept by READ_NEXT")
            elif answer is FilterStatus.HANDLED_NOTIFICATION:
                parse(raw.data)
            elif raw.data:
                self._show(stages, at + 1, connection, raw.data, output, parse)

    def _ask(self, hook: Hook, connection: Connection, raw: RawData, output: FilterOutput) -> FilterStatus | None:
        """Call one filter. Raises _Ended."""
        output.next_read_size = 0
        try:
            answer = hook.function(connection, raw)
            check_change(hook.name, raw)
            if answer is not None and not isinstance(answer, FilterStatus):
                raise TypeError(f"on_read_raw_data must not return a {type(answer).__name__}")
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            raise _Ended(_first_line(self._caller.blame(hook, error, connection))) from error
        if answer is FilterStatus.ERROR:
            raise _Ended(_first_line(self._caller.report_error(hook, connection)))
        if answer is FilterStatus.FINISHED:
            raise _Ended
        if answer is FilterStatus.FINISHED_KEEP_CONNECTION:
            raw.data = b""  # the filter has answered these bytes itself
        return answer

    def _failed(self, hook: Hook, connection: Connection, why: str) -> _Ended:
        return _Ended(_first_line(self._caller.blame(hook, MemoryError(why), connection)))


def _first_line(error: PluginError) -> str:
    return error.detail.partition("\n")[0]
