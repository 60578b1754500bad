"""Gap: the MQTT listener is bound to 0.0.0.0 whatever BIND_HOST says.

AWS page: none, this is about the machine that runs it: a development broker must not face the network.
Does: binds every listener that asks for all interfaces to BIND_HOST instead.
"""

from __future__ import annotations

from asyncio import base_events
from typing import Any

from emulator import Emulator


def apply(emulator: Emulator) -> None:
    original = base_events.BaseEventLoop.create_server

    async def create_server(self: Any, factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        bound = emulator.settings.bind_host if host == "0.0.0.0" else host
        return await original(self, factory, bound, port, **options)

    base_events.BaseEventLoop.create_server = create_server  # type: ignore[method-assign, assignment]
