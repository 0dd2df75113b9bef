"""The listening sockets that one front accepts on, and how it hears of them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from host.activation.socket_places import SocketPlace
from host.wire.listening_messages import Accept, Unlisten

OfPlaces = Mapping[SocketPlace, socket.socket]


class ServedSockets:
    """Remembers them for the next process. `say(message, descriptors...)` reaches the one that runs."""

    def __init__(self, say: Callable[..., None]) -> None:
        self._say = say
        self._sockets: OfPlaces = {}

    def serve(self, sockets: OfPlaces) -> None:
        """Accept on these from now on: new ones before old ones go."""
        earlier = self._sockets
        self.accept({place: listening for place, listening in sockets.items() if place not in earlier})
        self.give_up_others(sockets)

    def give_up_others(self, sockets: OfPlaces) -> OfPlaces:
        """Accept on none that is not among these; gives those that are new, for `accept`."""
        earlier, self._sockets = self._sockets, dict(sockets)
        for endpoint, place in earlier.keys() - sockets.keys():
            self._say(Unlisten(endpoint=endpoint, place=place))
        return {place: listening for place, listening in sockets.items() if place not in earlier}

    def accept(self, sockets: OfPlaces | None = None) -> None:
        """Have it accept on these; None: on all, which a process that has just been started does not know."""
        for (endpoint, place), listening in (self._sockets if sockets is None else sockets).items():
            self._say(Accept(endpoint=endpoint, place=place), listening.fileno())
