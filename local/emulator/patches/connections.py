"""Gap: iot-data has neither DeleteConnection nor GetConnection.

AWS pages: https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_DeleteConnection.html,
https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_GetConnection.html,
https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html (API_INITIATED_DISCONNECT).
Does: DeleteConnection ends the client's session before it answers; `cleanSession` drops its stored session too,
`preventWillMessage` its last will. GetConnection tells the state of a client now, or its last one for 30 minutes; socket
addresses only with `includeSocketInformation`. Both answer 404 for a client id that is not known.
"""

from __future__ import annotations

import struct
import time
from typing import Any

from ministack.core.responses import json_response, request_scope
from ministack.services import iot, iot_data

from emulator import Emulator
from routes import Request, Response, answer_first, not_found
from sessions import ADMINISTRATIVE_ACTION, end_session

PREFIX = "/connections/"
REMEMBERED_MS = 30 * 60 * 1000
SOCKET_FIELDS = ("sourceIp", "sourcePort", "targetIp", "targetPort")
Key = tuple[str, str, str]


def apply(_emulator: Emulator) -> None:
    described: dict[Key, dict[str, Any]] = {}
    _remember_connects(described)

    async def handle(request: Request) -> Response | None:
        if not request.path.startswith(PREFIX) or request.method not in ("GET", "DELETE"):
            return None
        key = (request.account, request.region, request.path[len(PREFIX) :])
        return await _delete(request, key) if request.method == "DELETE" else _get(request, key, described)

    answer_first(iot_data, handle)


async def _delete(request: Request, key: Key) -> Response:
    session = iot._connected_clients.get(key)
    if session is None:
        return not_found("The client is not connected")
    if request.flag("preventWillMessage"):
        session._will_topic = None
    await end_session(session, "API_INITIATED_DISCONNECT", ADMINISTRATIVE_ACTION)
    if request.flag("cleanSession"):
        iot._persistent_sessions.pop(key, None)
    return json_response({})


def _get(request: Request, key: Key, described: dict[Key, dict[str, Any]]) -> Response:
    last, details = iot._connectivity.get(key), described.get(key)
    connected = key in iot._connected_clients
    if last is None or details is None or (not connected and last["timestamp"] < time.time() * 1000 - REMEMBERED_MS):
        return not_found("No connection of this client is known")
    answer = {name: value for name, value in details.items() if name not in SOCKET_FIELDS}
    if connected:
        answer |= {"connected": True, "connectedSince": last["timestamp"]}
    else:
        answer |= {
            "connected": False,
            "disconnectedSince": last["timestamp"],
            "disconnectReason": last["disconnectReason"],
        }
    if request.flag("includeSocketInformation"):
        answer |= {name: details[name] for name in SOCKET_FIELDS if name in details}
    return json_response(answer)


def _remember_connects(described: dict[Key, dict[str, Any]]) -> None:
    dispatch, register = iot._WSSession._dispatch_packet, iot._register_client

    async def dispatch_packet(self: Any, kind: int, flags: int, body: bytes) -> bool:
        if kind == iot.PKT_CONNECT:
            self.keep_alive_seconds = _keep_alive(body)
        return await dispatch(self, kind, flags, body)

    def register_client(account: str, region: str, client_id: str, session: Any, *reason: Any) -> None:
        register(account, region, client_id, session, *reason)
        described[(account, region, client_id)] = _describe(account, region, client_id, session)

    iot._WSSession._dispatch_packet = dispatch_packet
    iot._register_client = register_client


def _describe(account: str, region: str, client_id: str, session: Any) -> dict[str, Any]:
    details = {
        "clientId": client_id,
        "cleanSession": not session._persist_session,
        "keepAliveDuration": session.keep_alive_seconds,
        **session.socket,
    }
    if session._session_expiry_interval is not None:
        details["sessionExpiry"] = session._session_expiry_interval
    with request_scope(account, region):
        things = (iot._certificates.get(session.certificate_id) or {}).get("attachedThings", [])
        if iot._thing_arn(client_id) in things:
            details["thingName"] = client_id
    return details


def _keep_alive(connect: bytes) -> int:
    """Seconds; the variable header is name, level, flags, keep alive (MQTT 3.1.1 section 3.1.2)."""
    _, offset = iot._read_string(connect, 0)
    return struct.unpack_from("!H", connect, offset + 2)[0] if len(connect) >= offset + 4 else 0
