"""Ends live MQTT sessions from the server's side."""

from __future__ import annotations

from typing import Any

from ministack.services import iot

# MQTT 5 section 3.14.2.1.
ADMINISTRATIVE_ACTION = 0x98
NOT_AUTHORIZED = 0x87


async def end_session(session: Any, reason: str, mqtt5_code: int) -> None:
    """Closes the connection; `reason` is what presence events and GetConnection report.

    MQTT 3.1.1 has no DISCONNECT from the server: that client only sees the close.
    """
    session._forced_disconnect_reason = reason
    if session.protocol_version == iot.MQTT_5:
        try:
            await session.send_bytes(iot._make_disconnect(mqtt5_code))
        except OSError:
            pass  # already gone, which is what is wanted
    await session._send({"type": "websocket.close", "code": 1000})
    await session.cleanup()
