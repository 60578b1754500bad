"""Gap: GetEffectivePolicies is missing.

AWS page: https://docs.aws.amazon.com/iot/latest/apireference/API_GetEffectivePolicies.html
Does: lists the policies of the principal, of the thing's groups and of their parents, as the control plane has them now.
"""

from __future__ import annotations

from ministack.core.responses import json_response
from ministack.services import iot

from device_policies import targets_of
from emulator import Emulator
from policy_view import Snapshot
from routes import Request, Response, answer_first, invalid, not_found


def apply(emulator: Emulator) -> None:
    view = emulator.policies

    async def handle(request: Request) -> Response | None:
        if request.method != "POST" or request.path != "/effective-policies":
            return None
        principal, thing = request.json().get("principal"), request.query.get("thingName")
        if principal is None and thing is None:
            return invalid("principal or thingName is required")
        if thing is not None and thing not in iot._things:
            return not_found(f"Thing {thing} does not exist")
        snapshot = view.current(request.account, request.region)
        targets = targets_of(snapshot, request.account, request.region, principal, thing)
        if principal is not None and ":thinggroup/" in principal:
            targets += _ancestors(snapshot, principal)
        return json_response({"effectivePolicies": [_entry(snapshot, n) for n in snapshot.policy_names(targets)]})

    answer_first(iot, handle)


def _ancestors(snapshot: Snapshot, group_arn: str) -> list[str]:
    prefix, _, group = group_arn.rpartition("/")
    parent = snapshot.parent_of_group.get(group)
    return [] if parent is None else [f"{prefix}/{parent}", *_ancestors(snapshot, f"{prefix}/{parent}")]


def _entry(snapshot: Snapshot, name: str) -> dict[str, str]:
    return {
        "policyName": name,
        "policyArn": iot._policies[name]["policyArn"],
        "policyDocument": snapshot.documents[name],
    }
