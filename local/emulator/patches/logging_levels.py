"""Gap: the v2 logging calls are missing.

AWS page: https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html
Does: Set, List and DeleteV2LoggingLevel, Set and GetV2LoggingOptions.
"""

from __future__ import annotations

from ministack.core.responses import json_response
from ministack.services import iot

from routes import Request, Response, answer_first
from settings import Settings


def apply(_settings: Settings) -> None:
    levels: dict[tuple[str, str | None], str] = {}
    options: dict[str, object] = {"defaultLogLevel": "DISABLED", "disableAllLogs": False}

    async def handle(request: Request) -> Response | None:
        if request.path == "/v2LoggingOptions":
            if request.method == "POST":
                options.update(request.json())
                return json_response({})
            return json_response(options)
        if request.path != "/v2LoggingLevel":
            return None
        if request.method == "POST":
            target = request.json()["logTarget"]
            levels[(target["targetType"], target.get("targetName"))] = request.json()["logLevel"]
            return json_response({})
        if request.method == "DELETE":
            levels.pop((request.query["targetType"], request.query["targetName"]), None)
            return json_response({})
        return json_response(
            {
                "logTargetConfigurations": [
                    {"logTarget": {"targetType": kind, "targetName": name}, "logLevel": level}
                    for (kind, name), level in levels.items()
                ]
            }
        )

    answer_first(iot, handle)
