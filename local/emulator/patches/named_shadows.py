"""Gap: iot-data has no ListNamedShadowsForThing.

AWS page: https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_ListNamedShadowsForThing.html
Does: tells the names of the thing's named shadows, at most `pageSize` (1 to 100, 25 without it) after the name that
`nextToken` says.
"""

from __future__ import annotations

import time

from ministack.core.responses import json_response, request_scope
from ministack.services import iot, iot_data

from emulator import Emulator
from routes import Request, Response, answer_first, invalid

PREFIX = "/api/things/shadow/ListNamedShadowsForThing/"


def apply(_emulator: Emulator) -> None:
    answer_first(iot_data, _handle)


async def _handle(request: Request) -> Response | None:
    if request.method != "GET" or not request.path.startswith(PREFIX):
        return None
    size = request.query.get("pageSize", "25")
    if not size.isdigit() or not 1 <= int(size) <= 100:
        return invalid("pageSize must be from 1 to 100")
    thing = request.path[len(PREFIX) :]
    with request_scope(request.account, request.region):
        records = [(name, record) for (of, name), record in iot._shadows.items() if of == thing and name]
    names = sorted(name for name, record in records if not record.get("deleted"))
    names = [name for name in names if name > request.query.get("nextToken", "")]
    page, rest = names[: int(size)], names[int(size) :]
    answer = {"results": page, "timestamp": int(time.time())}
    return json_response(answer | ({"nextToken": page[-1]} if rest else {}))
