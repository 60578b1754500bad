"""AWS IoT's own log: who is logged at which level, and the entries in CloudWatch Logs.

https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html (levels),
https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html (entries)
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch_logs

from policy_view import PolicyView

GROUP = "AWSIotLogsV2"
# A device that floods for hours must not fill the memory; AWS too drops entries under load.
MAX_ENTRIES = 20_000
# Least verbose last; a level lets through its own entries and those after it.
LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "DISABLED")
TARGET_TYPES = ("DEFAULT", "THING_GROUP", "CLIENT_ID", "SOURCE_IP", "PRINCIPAL_ID")


@dataclass(frozen=True)
class Event:
    """One thing that a device did. `reason` is None where it was allowed."""

    type: str
    principal: str
    client_id: str | None = None
    topic: str | None = None
    protocol: str = "MQTT"
    reason: str | None = None
    socket: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


class IotLog:
    """`options` and `levels` are what the v2 logging calls set; without options, logging was never configured."""

    def __init__(self, policies: PolicyView) -> None:
        self._policies = policies
        self.options: dict[str, Any] = {}
        self.levels: dict[tuple[str, str | None], str] = {}

    def write(self, account: str, region: str, event: Event) -> None:
        """Failures are ERROR, all else INFO; nothing is written below the level in force for this client."""
        if not self.levels and self.options.get("defaultLogLevel", "DISABLED") == "DISABLED":
            return  # the usual case, on the path of every message
        level = "INFO" if event.reason is None else "ERROR"
        in_force = self._level(account, region, event)
        if in_force == "DISABLED" or LEVELS.index(level) < LEVELS.index(in_force):
            return
        _append(account, region, _entry(account, level, event))

    def _level(self, account: str, region: str, event: Event) -> str:
        """The client's own level, else the most verbose of its groups', else the default."""
        if self.options.get("disableAllLogs") is True:
            return "DISABLED"
        own = [
            ("CLIENT_ID", event.client_id),
            ("PRINCIPAL_ID", event.principal),
            ("SOURCE_IP", event.socket.get("sourceIp")),
        ]
        groups: list[tuple[str, str | None]] = []
        if event.client_id is not None and any(kind == "THING_GROUP" for kind, _ in self.levels):
            snapshot = self._policies.current(account, region)
            groups = [("THING_GROUP", group) for group in snapshot.group_chain(event.client_id)]
        for targets in (own, groups, [("DEFAULT", None)]):
            found = [self.levels[target] for target in targets if target in self.levels]
            if found:
                return min(found, key=LEVELS.index)
        return str(self.options.get("defaultLogLevel", "DISABLED"))


def _entry(account: str, level: str, event: Event) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        "logLevel": level,
        "traceId": str(uuid.uuid4()),
        "accountId": account,
        "status": "Success" if event.reason is None else "Failure",
        "eventType": event.type,
        "protocol": event.protocol,
    }
    if event.topic is not None:
        entry["topicName"] = event.topic
    if event.client_id is not None:
        entry["clientId"] = event.client_id
    entry["principalId"] = event.principal
    entry |= {name: event.socket[name] for name in ("sourceIp", "sourcePort") if name in event.socket}
    if event.reason is not None:
        entry |= {"reason": event.reason, "details": "Authorization Failure"}
    return entry | event.extra


def _append(account: str, region: str, entry: dict[str, Any]) -> None:
    stream = {"logGroupName": GROUP, "logStreamName": f"{account}_{region}"}
    event = {"timestamp": int(time.time() * 1000), "message": json.dumps(entry)}
    with request_scope(account, region):
        if stream["logStreamName"] not in cloudwatch_logs._log_groups.get(GROUP, {}).get("streams", {}):
            cloudwatch_logs._create_log_group(stream)
            cloudwatch_logs._create_log_stream(stream)
        cloudwatch_logs._put_log_events({**stream, "logEvents": [event]})
        _drop_oldest(cloudwatch_logs._log_groups[GROUP]["streams"][stream["logStreamName"]]["events"])


def _drop_oldest(events: list[dict[str, Any]]) -> None:
    if len(events) > MAX_ENTRIES:
        for event in events[: MAX_ENTRIES // 2]:
            cloudwatch_logs._log_records.pop(event["eventId"], None)
        del events[: MAX_ENTRIES // 2]
