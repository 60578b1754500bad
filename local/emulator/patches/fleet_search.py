"""Gap: fleet search knows only `AND` of `field:value`: no OR, no NOT, no groups, no ranges, and no `*` for every thing.

AWS page: https://docs.aws.amazon.com/iot/latest/developerguide/query-syntax.html
Does: answers SearchIndex by `fleet_query.py`; pages and documents as MiniStack has them. The index is never behind
(AWS: seconds).
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import json_response
from ministack.services import iot

import fleet_query
from emulator import Emulator
from routes import Response, invalid

MOST_RESULTS = 100


def apply(_emulator: Emulator) -> None:
    iot._search_index = _search


def _search(payload: dict[str, Any]) -> Response:
    found, refusal = fleet_query.find(payload)
    if refusal is not None:
        return refusal
    limit = payload.get("maxResults", MOST_RESULTS)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST_RESULTS:
        return invalid(f"maxResults must be between 1 and {MOST_RESULTS}")
    token = payload.get("nextToken")
    start = 0 if token is None else iot._search_token_offset(token)
    if start is None:
        return invalid("nextToken is not a valid page token")
    end = start + limit
    answer: dict[str, Any] = {"things": [_entry(document) for document in found[start:end]]}
    if end < len(found):
        answer["nextToken"] = iot._search_next_token(end)
    return json_response(answer)


def _entry(document: fleet_query.Document) -> dict[str, Any]:
    thing, shadow = document.thing, document.shadow
    entry = {
        "thingName": thing["thingName"],
        "thingId": thing.get("thingId", thing["thingName"]),
        "attributes": thing.get("attributes") or {},
        "thingGroupNames": list(thing.get("thingGroupNames") or []),
    }
    if document.connectivity:
        entry["connectivity"] = document.connectivity
    if thing.get("thingTypeName"):
        entry["thingTypeName"] = thing["thingTypeName"]
    if shadow:
        entry["shadow"] = json.dumps({half: shadow[half] for half in ("desired", "reported") if half in shadow})
    return entry
