"""Gap: neither GetStatistics nor GetBucketsAggregation.

AWS pages: https://docs.aws.amazon.com/iot/latest/developerguide/index-aggregate.html,
https://docs.aws.amazon.com/iot/latest/developerguide/managing-index.html (managed and custom fields)
Does: answers both over the same index as SearchIndex. A field that is neither managed nor declared as a custom field is
refused, as AWS does, so that a count that works here is one that provisioning has made possible there.
"""

from __future__ import annotations

from collections import Counter
from statistics import fmean, pvariance
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import iot

import fleet_query
from emulator import Emulator
from routes import Request, Response, answer_first, invalid

MANAGED = {
    "thingName",
    "thingTypeName",
    "thingGroupNames",
    "registry.version",
    "connectivity.connected",
    "connectivity.timestamp",
    "connectivity.disconnectReason",
}
DEFAULT_FIELD = "registry.version"
DEFAULT_BUCKETS, MOST_BUCKETS = 10, 10_000


def apply(_emulator: Emulator) -> None:
    async def handle(request: Request) -> Response | None:
        if request.method != "POST":
            return None
        if request.path == "/indices/statistics":
            return _statistics(request.json())
        if request.path == "/indices/buckets":
            return _buckets(request.json())
        return None

    answer_first(iot, handle)


def _values(payload: dict[str, Any], field: str) -> tuple[list[Any], Response | None]:
    """The field of each thing that is found and has it; one with several values has each."""
    config = iot._indexing_configuration()["thingIndexingConfiguration"]
    custom = {each.get("name") for each in config.get("customFields") or []}
    found, refusal = fleet_query.find(payload)
    if refusal is None and field not in MANAGED | custom:
        refusal = error_response_json(
            "InvalidAggregationException", f"{field} is neither a managed nor a custom field of the index", 400
        )
    if refusal is not None:
        return [], refusal
    values: list[Any] = []
    for document in found:
        value = document.value(field)
        values.extend(value if isinstance(value, list) else [] if value is None else [value])
    return values, None


def _statistics(payload: dict[str, Any]) -> Response:
    values, refusal = _values(payload, payload.get("aggregationField") or DEFAULT_FIELD)
    if refusal is not None:
        return refusal
    statistics: dict[str, Any] = {"count": len(values)}
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if numbers:
        variance = pvariance(numbers)
        statistics |= {
            "average": fmean(numbers),
            "sum": sum(numbers),
            "minimum": min(numbers),
            "maximum": max(numbers),
            "sumOfSquares": sum(number * number for number in numbers),
            "variance": variance,
            "stdDeviation": variance**0.5,
        }
    return json_response({"statistics": statistics})


def _buckets(payload: dict[str, Any]) -> Response:
    field = payload.get("aggregationField")
    kind = payload.get("bucketsAggregationType") or {}
    if not isinstance(field, str) or not isinstance(kind.get("termsAggregation"), dict):
        return invalid("aggregationField and termsAggregation are required")
    most = kind["termsAggregation"].get("maxBuckets", DEFAULT_BUCKETS)
    if not isinstance(most, int) or not 1 <= most <= MOST_BUCKETS:
        return invalid(f"maxBuckets must be between 1 and {MOST_BUCKETS}")
    values, refusal = _values(payload, field)
    if refusal is not None:
        return refusal
    counted = Counter(_key(value) for value in values)
    buckets = [{"keyValue": key, "count": count} for key, count in counted.most_common(most)]
    return json_response({"totalCount": len(values), "buckets": buckets})


def _key(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
