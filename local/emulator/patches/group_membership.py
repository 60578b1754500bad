"""Gap: a thing can be added to any number of groups, also of one hierarchy.

AWS page: https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html ("a thing can be in 10 groups at most",
"you can't add a thing to more than one group in the same hierarchy").
Does: refuses AddThingToThingGroup for both with InvalidRequestException. Adding to a group it is in already stays a success.
"""

from __future__ import annotations

from ministack.services import iot

from emulator import Emulator
from policy_view import Snapshot
from routes import Request, Response, answer_first, invalid

MAX_GROUPS = 10


def apply(emulator: Emulator) -> None:
    view = emulator.policies

    async def refuse(request: Request) -> Response | None:
        if request.path != "/thing-groups/addThingToThingGroup":
            return None
        group, thing, error = iot._membership_names(request.json())
        if error is not None or group not in iot._thing_groups:
            return None
        return _refusal(view.current(request.account, request.region), thing, group)

    answer_first(iot, refuse)


def _refusal(snapshot: Snapshot, thing: str, group: str) -> Response | None:
    groups = snapshot.groups_of_thing.get(thing, ())
    if group in groups:
        return None
    root = _root(snapshot, group)
    rival = next((other for other in groups if _root(snapshot, other) == root), None)
    if rival is not None:
        return invalid(f"Thing {thing} is in group {rival} of the same hierarchy (root {root}) as {group}")
    if len(groups) >= MAX_GROUPS:
        return invalid(f"Thing {thing} is in {MAX_GROUPS} groups, which is the limit")
    return None


def _root(snapshot: Snapshot, group: str) -> str:
    parent = snapshot.parent_of_group.get(group)
    return group if parent is None else _root(snapshot, parent)
