"""Gap: an alarm pools every series of its metric whatever its dimensions, ignores DatapointsToAlarm and TreatMissingData, is
only judged when data arrive, and its SNS message is not AWS's.

AWS pages: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
Does: judges only the series with exactly the alarm's dimensions, period by period, when data arrive and every second, so that
DescribeAlarms tells the state as it is. Periods are counted back from now rather than from the full minute. An alarm whose
series never had a datum keeps its state, so that SetAlarmState holds there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from datetime import datetime, timezone
from itertools import takewhile
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid, request_scope
from ministack.services import cloudwatch, sns

from emulator import Emulator, Starter

# A datum this much older than the evaluated periods ends the search, as data come nearly in order.
LATE_SECONDS = 300
ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
logger = logging.getLogger("cloudwatch")


def apply(_emulator: Emulator) -> Starter:
    cloudwatch._evaluate_alarm = _evaluate
    cloudwatch._dispatch_alarm_actions = _dispatch

    tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps no task alive

    async def start() -> None:
        tasks.add(asyncio.create_task(_evaluate_every_second()))

    return start


async def _evaluate_every_second() -> None:
    while True:
        await asyncio.sleep(1)
        for account, region in {key[:2] for key in list(cloudwatch._alarms._data)}:
            with request_scope(account, region):
                cloudwatch._evaluate_all_alarms()


def _evaluate(alarm: dict[str, Any]) -> None:
    now = time.time()
    points = _series(alarm)
    if not points:
        return
    state = _judge(alarm, _period_values(alarm, _recent(alarm, points, now), now))
    before = alarm["StateValue"]
    if state is None or state == before:
        return
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    reason = f"{statistic} {alarm.get('ComparisonOperator')} {alarm.get('Threshold')} judged {state}"
    alarm["StateValue"] = state
    alarm["StateReason"] = f"Threshold Crossed: {reason}" if state != "INSUFFICIENT_DATA" else "Insufficient Data"
    alarm["StateUpdatedTimestamp"] = alarm["StateTransitionedTimestamp"] = round(time.time(), 3)
    cloudwatch._record_history(alarm["AlarmName"], before, state, alarm["StateReason"])
    cloudwatch._dispatch_alarm_actions(alarm, before, state, alarm["StateReason"])
    cloudwatch._evaluate_parent_alarms(alarm)


def _series(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or []))
    points: list[dict[str, Any]] = (
        cloudwatch._metrics.get((alarm.get("Namespace"), alarm.get("MetricName"), dimensions)) or []
    )
    return points


def _recent(alarm: dict[str, Any], points: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    horizon = now - alarm.get("Period", 60) * alarm.get("EvaluationPeriods", 1) - LATE_SECONDS
    unit = alarm.get("Unit")
    recent = takewhile(lambda point: point["Timestamp"] > horizon, reversed(points))
    return [point for point in recent if unit in (None, point["Unit"])]


def _period_values(alarm: dict[str, Any], series: list[dict[str, Any]], now: float) -> list[float | None]:
    """The statistic of each evaluated period, newest first; None where it has no datum."""
    period = alarm.get("Period", 60)
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    values: list[float | None] = []
    for index in range(alarm.get("EvaluationPeriods", 1)):
        end = now - index * period
        until = float("inf") if index == 0 else end  # a device's clock may run ahead
        points = [point for point in series if end - period < point["Timestamp"] <= until]
        values.append(cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points) if points else None)
    return values


def _judge(alarm: dict[str, Any], values: list[float | None]) -> str | None:
    """None keeps the state."""
    missing = alarm.get("TreatMissingData", "missing")
    present = [value for value in values if value is not None]
    if not present and missing in ("missing", "ignore"):
        return "INSUFFICIENT_DATA" if missing == "missing" else None
    breaching = sum(_breaches(alarm, value) for value in present)
    if missing == "breaching":
        breaching += len(values) - len(present)
    return "ALARM" if breaching >= alarm.get("DatapointsToAlarm", len(values)) else "OK"


def _breaches(alarm: dict[str, Any], value: float) -> bool:
    threshold = alarm.get("Threshold", 0)
    return {
        "GreaterThanOrEqualToThreshold": value >= threshold,
        "GreaterThanThreshold": value > threshold,
        "LessThanThreshold": value < threshold,
        "LessThanOrEqualToThreshold": value <= threshold,
    }.get(alarm.get("ComparisonOperator", ""), False)


def _dispatch(alarm: dict[str, Any], before: str, state: str, reason: str) -> None:
    if not alarm.get("ActionsEnabled", True):
        return
    message = json.dumps(_message(alarm, before, state, reason))
    subject = f'{state}: "{alarm["AlarmName"]}" in {get_region()}'[:100]
    for arn in alarm.get(ACTIONS[state]) or []:
        if cloudwatch._is_sns_action_arn(arn):
            sns._fanout(arn, new_uuid(), message, subject)


def _message(alarm: dict[str, Any], before: str, state: str, reason: str) -> dict[str, Any]:
    return {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription") or None,
        "AWSAccountId": get_account_id(),
        "AlarmConfigurationUpdatedTimestamp": _timestamp(alarm.get("AlarmConfigurationUpdatedTimestamp")),
        "NewStateValue": state,
        "NewStateReason": reason,
        "StateChangeTime": _timestamp(alarm.get("StateUpdatedTimestamp")),
        "Region": get_region(),
        "AlarmArn": alarm.get("AlarmArn"),
        "OldStateValue": before,
        **{name: alarm.get(name) or [] for name in ("OKActions", "AlarmActions", "InsufficientDataActions")},
        "Trigger": _trigger(alarm),
    }


def _trigger(alarm: dict[str, Any]) -> dict[str, Any]:
    """Dimensions are in lower case here, unlike in the API."""
    return {
        "MetricName": alarm.get("MetricName"),
        "Namespace": alarm.get("Namespace"),
        "StatisticType": "ExtendedStatistic" if alarm.get("ExtendedStatistic") else "Statistic",
        "Statistic": (alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average").upper(),
        "Unit": alarm.get("Unit"),
        "Dimensions": [{"value": d["Value"], "name": d["Name"]} for d in alarm.get("Dimensions") or []],
        "Period": alarm.get("Period"),
        "EvaluationPeriods": alarm.get("EvaluationPeriods"),
        "DatapointsToAlarm": alarm.get("DatapointsToAlarm", alarm.get("EvaluationPeriods")),
        "ComparisonOperator": alarm.get("ComparisonOperator"),
        "Threshold": alarm.get("Threshold"),
        "TreatMissingData": alarm.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": "",
    }


def _timestamp(epoch: float | None) -> str:
    moment = datetime.fromtimestamp(epoch if epoch is not None else time.time(), timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
