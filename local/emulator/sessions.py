"""Live MQTT sessions: where they come from, and how the server's side ends them."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from typing import Any

from ministack.services import iot

# MQTT 5 section 3.14.2.1.
ADMINISTRATIVE_ACTION = 0x98
NOT_AUTHORIZED = 0x87

_socket: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("_socket", default=None)


def remember_sockets() -> None:
    """Gives each session its `socket`: sourceIp, sourcePort, targetIp, targetPort; empty for a WebSocket."""
    serve, create = iot._mtls_serve_conn, iot._WSSession.__init__

    async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source, target = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        _socket.set({"sourceIp": source[0], "sourcePort": source[1], "targetIp": target[0], "targetPort": target[1]})
        await serve(reader, writer)

    def create_session(self: Any, *arguments: Any, **options: Any) -> None:
        create(self, *arguments, **options)
        self.socket = _socket.get() or {}

    iot._mtls_serve_conn = serve_connection
    iot._WSSession.__init__ = create_session


async def end_session(session: Any, reason: str, mqtt5_code: int) -> None:
    """Closes the connection; `reason` is what presence events and GetConnection report.

    Nothing the client sent before it notices is acted upon. MQTT 3.1.1 has no DISCONNECT from the server: that client only
    sees the close.
    """
    session._forced_disconnect_reason = reason
    session.handle_packet = _refuse_packet
    if session.protocol_version == iot.MQTT_5:
        with contextlib.suppress(OSError):  # already gone, which is what is wanted
            await session.send_bytes(iot._make_disconnect(mqtt5_code))
    await session._send({"type": "websocket.close", "code": 1000})
    await session.cleanup()


async def _refuse_packet(*_packet: object) -> bool:
    return False
