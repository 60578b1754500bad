"""Gap: iot-data has no DeleteConnection.

AWS page: https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_DeleteConnection.html
Does: ends the client's session. `cleanSession` drops its stored session too, `preventWillMessage` its last will.
"""

from __future__ import annotations

from urllib.parse import unquote

from ministack.core.responses import get_account_id, get_region, json_response
from ministack.services import iot, iot_data

from routes import Request, Response, answer_first, not_found
from sessions import ADMINISTRATIVE_ACTION, end_session
from settings import Settings

PREFIX = "/connections/"


def apply(_settings: Settings) -> None:
    answer_first(iot_data, _handle)


async def _handle(request: Request) -> Response | None:
    if request.method != "DELETE" or not request.path.startswith(PREFIX):
        return None
    key = (get_account_id(), get_region(), unquote(request.path[len(PREFIX):]))
    session = iot._connected_clients.get(key)
    if session is None:
        return not_found("no such connection")
    if request.flag("preventWillMessage"):
        session._will_topic = None
    await end_session(session, "SERVER_INITIATED_DISCONNECT", ADMINISTRATIVE_ACTION)
    if request.flag("cleanSession"):
        iot._persistent_sessions.pop(key, None)
    return json_response({})
