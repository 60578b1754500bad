"""Gap: the v2 logging calls are missing, and nothing is ever written to AWSIotLogsV2.

AWS pages: https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html,
https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
Does: Set, List and DeleteV2LoggingLevel, Set and GetV2LoggingOptions; writes Connect, Publish-In, Publish-Out (refused ones),
Subscribe and Disconnect entries at the level in force. Before the first SetV2LoggingOptions the calls answer
NotConfiguredException. Differs: no logging role is needed.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import iot

from emulator import Emulator
from iot_log import LEVELS, TARGET_TYPES, Event, IotLog
from routes import Request, Response, answer_first, invalid

REFUSED = "AUTHORIZATION_FAILURE"


def apply(emulator: Emulator) -> None:
    log = emulator.log

    async def handle(request: Request) -> Response | None:
        if request.path == "/v2LoggingOptions":
            return _options(log, request)
        if request.path == "/v2LoggingLevel":
            return _levels(log, request)
        return None

    answer_first(iot, handle)
    _log_connects(log)
    _log_decisions(log)


def _options(log: IotLog, request: Request) -> Response:
    if request.method == "GET":
        return json_response(log.options) if log.options else _not_configured()
    wanted = request.json()
    if wanted.get("defaultLogLevel", "ERROR") not in LEVELS:
        return invalid(f"defaultLogLevel must be one of {', '.join(LEVELS)}")
    log.options = {"defaultLogLevel": "DISABLED", "disableAllLogs": False} | log.options | wanted
    return json_response({})


def _levels(log: IotLog, request: Request) -> Response:
    if not log.options and request.method != "DELETE":
        return _not_configured()
    if request.method == "GET":
        return _list(log, request.query.get("targetType"))
    if request.method == "DELETE":
        target, level = request.query, "DISABLED"
    else:
        target, level = request.json().get("logTarget") or {}, str(request.json().get("logLevel"))
    kind, name = str(target.get("targetType")), target.get("targetName")
    if kind not in TARGET_TYPES or level not in LEVELS or (not name and kind != "DEFAULT"):
        return invalid("logTarget needs a targetType and, unless DEFAULT, a targetName; logLevel one of the log levels")
    key = (kind, None if kind == "DEFAULT" else name)
    if request.method == "DELETE":
        log.levels.pop(key, None)
    else:
        log.levels[key] = level
    return json_response({})


def _not_configured() -> Response:
    return error_response_json("NotConfiguredException", "Logging is not configured", 404)


def _list(log: IotLog, wanted: str | None) -> Response:
    configurations = [
        {"logTarget": {"targetType": kind, **({"targetName": name} if name else {})}, "logLevel": level}
        for (kind, name), level in log.levels.items()
        if wanted in (None, kind)
    ]
    return json_response({"logTargetConfigurations": configurations})


def _log_connects(log: IotLog) -> None:
    session_class = iot._WSSession
    connected, refused, cleanup = (
        session_class._publish_connected,
        session_class._refuse_connect,
        session_class.cleanup,
    )

    async def publish_connected(self: Any) -> None:
        _write(log, self, "Connect")
        await connected(self)

    async def refuse_connect(self: Any, denied: str) -> bool:
        _write(log, self, "Connect", reason=REFUSED)
        return await refused(self, denied)

    async def clean_up(self: Any) -> None:
        if not self._cleaned_up and _is_connected(self):
            _write(log, self, "Disconnect", extra={"disconnectReason": self.disconnect_reason()})
        await cleanup(self)

    session_class._publish_connected = publish_connected
    session_class._refuse_connect = refuse_connect
    session_class.cleanup = clean_up


def _log_decisions(log: IotLog) -> None:
    session_class = iot._WSSession
    publish_allowed, policy_allows = session_class._publish_allowed, session_class._policy_allows

    def logged_publish_allowed(self: Any, topic: str, retain: bool) -> bool:
        allowed = publish_allowed(self, topic, retain)
        if _is_connected(self):  # the will of a CONNECT is judged by the same method
            _write(log, self, "Publish-In", topic=topic, reason=None if allowed else REFUSED)
        return allowed

    def logged_policy_allows(self: Any, action: str, resource: str) -> bool:
        allowed = policy_allows(self, action, resource)
        name = resource.partition("/")[2]
        if action == "iot:Subscribe":
            _write(log, self, "Subscribe", topic=name, reason=None if allowed else REFUSED)
        elif action == "iot:Receive" and not allowed:
            _write(log, self, "Publish-Out", topic=name, reason=REFUSED)
        return allowed

    session_class._publish_allowed = logged_publish_allowed
    session_class._policy_allows = logged_policy_allows


def _is_connected(session: Any) -> bool:
    return bool(session._client_id and session._session_identifier)


def _write(log: IotLog, session: Any, kind: str, **fields: Any) -> None:
    event = Event(kind, session._principal, session._client_id, socket=session.socket, **fields)
    log.write(session.account_id, session.region, event)
