"""Sees bytes before they are parsed."""

from host.api import Connection, RawData, hookimpl


@hookimpl
def on_read_raw_data(connection: Connection, data: RawData) -> None:
    data.data = data.data.replace(b"/old", b"/new")
