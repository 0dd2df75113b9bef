"""A worker's life, practised before anybody is forked: so that those who are know it by heart.

Python learns while it runs: byte code is written over with what fits the types that it has met, look-ups are noted
where they are made, and much is made when it is first asked for. Each worker would learn the same again, in copies of
pages that it shares otherwise. So the nursery lives some short lives of a worker: the worker's own code, from its event
loop to the answers of requests and the end, with a made-up site that lies nowhere, and the plugins that came with
isapy. What service and listener say lies in the sockets from the beginning, and nobody hears what is answered.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Final

from host.api import Connection
from host.config.store import ServerConfiguration, Source
from host.isolation.selection import model_for
from host.processes.control_channel import ControlChannel, channel_pair
from host.processes.worker import WorkerProcess, WorkerSeat
from host.wire.codec import FrameDecoder, decode_response, encode, encode_request
from host.wire.control_messages import AttachLink, Drain
from host.wire.frames import Kind, RequestFlag, RequestFrame
from host.worker.connection_facts import facts_of
from host.worker.plugin_code import PluginCode
from host.worker.plugin_loader import keep_preloaded

_LIVES: Final = 10  # byte code is written over after the eighth call (CPython 3.11)
_TARGETS: Final = (b"/", b"/page.txt")
_LONGEST_SECONDS: Final = 1.0
_READ_BYTES: Final = 64 * 1024
_NOWHERE: Final = "/proc/nowhere"  # where no folder can be made, so that no plugin but isapy's own is found
_POOL: Final = "practice"
_CONFIGURATION: Final = f"""\
<configuration>
  <system.applicationHost>
    <applicationPools><add name="{_POOL}" /></applicationPools>
    <sites>
      <site name="{_POOL}" id="1">
        <application path="/" applicationPool="{_POOL}">
          <virtualDirectory path="/" physicalPath="{_NOWHERE}" />
        </application>
        <bindings><binding protocol="http" bindingInformation="127.0.0.1:80:" /></bindings>
      </site>
    </sites>
  </system.applicationHost>
  <system.webServer>
    <isapiFilters>
      <filter name="request_filtering" enableCache="true" />
    </isapiFilters>
    <handlers accessPolicy="Read, Script">
      <add name="StaticFile" path="*" verb="*" modules="StaticFileModule,DefaultDocumentModule,DirectoryListingModule"
           resourceType="Either" requireAccess="Read" />
    </handlers>
  </system.webServer>
</configuration>
"""


def practise(plugin_code: PluginCode) -> list[int]:
    """Do so, in a process without threads that has what `preload_bundled_plugins` brings, and leave nothing open.
    Gives the statuses of the last life's answers; raises what a worker would raise."""
    configuration = ServerConfiguration(Source(f"{_NOWHERE}/conf/applicationHost.config", _CONFIGURATION.encode()), 0)
    application = configuration.snapshot.sites[0].applications[0]
    seat = WorkerSeat(
        title=_POOL,
        pool_name=_POOL,
        number=0,
        applications=(application.key,),
        model=model_for(configuration.snapshot.isolation_mode),
        runs_filters=True,
        handler_slot=_POOL,
        shutdown_seconds=_LONGEST_SECONDS,
        plugin_code=plugin_code,
    )
    statuses: list[int] = []
    for _ in range(_LIVES):
        with keep_preloaded():
            statuses = _live(configuration, seat)
        plugin_code.prepare(())  # each worker takes a plugin manager
    return statuses


def _live(configuration: ServerConfiguration, seat: WorkerSeat) -> list[int]:
    """One life; everything that it will hear is said before it begins."""
    with ExitStack() as sockets:
        link, front = (sockets.enter_context(end) for end in socket.socketpair())
        side, _fronts_side = (sockets.enter_context(end) for end in channel_pair())
        spawner, _parent = (sockets.enter_context(end) for end in channel_pair())
        control, service = channel_pair()
        front.sendall(b"".join(_requests(seat.applications[0])))
        channel = ControlChannel(service)
        sockets.callback(channel.close)
        channel.send(AttachLink(request_prefix=_POOL), [link.fileno(), side.fileno()])
        channel.send(Drain(seconds=_LONGEST_SECONDS))
        link.close()
        side.close()
        WorkerProcess(ControlChannel(control), spawner, configuration, seat, when_idle=_nothing, at_end=_nothing).run()
        front.setblocking(False)
        frames = FrameDecoder().receive(front.recv(_READ_BYTES))
        return [decode_response(body).status for kind, _, body in frames if kind is Kind.RESPONSE]


def _requests(application: str) -> list[bytes]:
    """What the listener says: requests, and that no further ones will come."""
    connection = Connection("127.0.0.1", 1, "127.0.0.1", 80, 1)
    flags = RequestFlag.HTTP_1_1 | RequestFlag.BODY_COMPLETE
    fields = b"Host: localhost\r\nAccept: */*\r\n"
    parts = (facts_of(connection), application.encode(), b"GET")
    frames = [
        encode_request(number, RequestFrame(flags, *parts, target, fields, 0, b""))
        for number, target in enumerate(_TARGETS, 1)
    ]
    return [*frames, encode(Kind.DRAIN, 0)]


def _nothing() -> None:
    """A worker would see to its process's end, and to the others' precedence."""
