"""What the broker's decisions are based on: attached policies, group membership and documents, as they were a while ago."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from ministack.core.responses import request_scope
from ministack.services import iot

from routes import Request, Response, after

CHANGING_PATHS = (
    "/policies/",
    "/target-policies/",
    "/principal-policies/",
    "/thing-groups",
    "/things/",
    "/certificates/",
)
Scope = tuple[str, str]


@dataclass(frozen=True)
class Snapshot:
    """Copied out of the registry: nothing here changes later."""

    documents: dict[str, str] = field(default_factory=dict)
    policies_of_target: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups_of_thing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parent_of_group: dict[str, str | None] = field(default_factory=dict)

    def group_chain(self, thing: str) -> Iterator[str]:
        """The thing's groups and all their ancestors."""
        for name in self.groups_of_thing.get(thing, ()):
            group: str | None = name
            while group is not None:
                yield group
                group = self.parent_of_group.get(group)

    def policy_names(self, targets: list[str]) -> list[str]:
        names = (name for target in targets for name in self.policies_of_target.get(target, ()))
        return list(dict.fromkeys(names))


class PolicyView:
    """One for each process; scopes (account and region) are kept apart."""

    def __init__(self, delay_ms: int) -> None:
        self._delay = delay_ms / 1000
        self._fresh: dict[Scope, Snapshot] = {}
        self._history: dict[Scope, list[tuple[float, Snapshot]]] = {}

    def watch(self) -> None:
        """Has to see every change made through the control plane."""
        after(iot, self._note_change)

    def current(self, account: str, region: str) -> Snapshot:
        """What the control plane holds now."""
        scope = (account, region)
        if scope not in self._fresh:
            with request_scope(account, region):
                self._fresh[scope] = _take_snapshot()
        return self._fresh[scope]

    def effective(self, account: str, region: str, certificate_arn: str) -> Snapshot:
        """What the broker goes by.

        The delay is that of a cache: a certificate that had no policy when the cached view was taken is read afresh, so
        that a device just enrolled can connect at once.
        """
        if self._delay == 0:
            return self.current(account, region)
        cached = self._cached((account, region))
        return cached if certificate_arn in cached.policies_of_target else self.current(account, region)

    def _cached(self, scope: Scope) -> Snapshot:
        history = self._history.get(scope, [])
        due = time.monotonic() - self._delay
        while len(history) > 1 and history[1][0] <= due:
            history.pop(0)
        return history[0][1] if history and history[0][0] <= due else Snapshot()

    async def _note_change(self, request: Request, _response: Response) -> None:
        if request.method == "GET" or not request.path.startswith(CHANGING_PATHS):
            return
        scope = (request.account, request.region)
        self._fresh.pop(scope, None)
        if self._delay > 0:
            self._history.setdefault(scope, []).append((time.monotonic(), self.current(*scope)))


def _take_snapshot() -> Snapshot:
    documents: dict[str, str] = {}
    policies_of_target: dict[str, tuple[str, ...]] = {}
    for name, policy in iot._policies.items():
        documents[name] = policy["versions"][policy["defaultVersionId"]]["document"]
        for target in policy.get("targets", []):
            policies_of_target[target] = (*policies_of_target.get(target, ()), name)
    groups_of_thing: dict[str, tuple[str, ...]] = {}
    parent_of_group: dict[str, str | None] = {}
    for name, group in iot._thing_groups.items():
        parent_of_group[name] = (group.get("thingGroupMetadata") or {}).get("parentGroupName")
        for thing in group.get("things", []):
            groups_of_thing[thing] = (*groups_of_thing.get(thing, ()), name)
    return Snapshot(documents, policies_of_target, groups_of_thing, parent_of_group)
