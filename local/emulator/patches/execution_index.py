"""Gap: whatever concerns one device's jobs, or one job's devices, looks through every execution that there ever was.

AWS page: https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html (jobs of any number of things)
Does: finds the executions of a thing or of a job by an index of their keys; MiniStack then treats those as it always does, in
the order in which they were made.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region
from ministack.services import iot

from emulator import Emulator

# Thing or job that the running function is about, by its place in an execution's key.
Scope = tuple[int, str]
_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)

OF_A_THING, OF_A_JOB = 0, 1
FUNCTIONS = {
    "jobs_pending_for_thing": OF_A_THING,
    "_list_job_executions_for_thing": OF_A_THING,
    "_jobs_status_counts": OF_A_JOB,
    "_jobs_maybe_complete": OF_A_JOB,
    "_jobs_cancel": OF_A_JOB,
    "_describe_job": OF_A_JOB,
    "_list_job_executions_for_job": OF_A_JOB,
}


class Executions(AccountRegionScopedDict):
    """By (thing, job). While one of `FUNCTIONS` runs, `values` holds what is of its thing or job."""

    def __init__(self) -> None:
        super().__init__()
        self._keys: dict[tuple[str, str, int, str], dict[Any, None]] = {}

    def __setitem__(self, key: tuple[str, str], value: Any) -> None:
        super().__setitem__(key, value)
        for at in (OF_A_THING, OF_A_JOB):
            self._keys.setdefault(self._place(at, key[at]), {})[key] = None

    def __delitem__(self, key: tuple[str, str]) -> None:
        super().__delitem__(key)
        for at in (OF_A_THING, OF_A_JOB):
            del self._keys[self._place(at, key[at])][key]

    def clear(self) -> None:
        super().clear()
        self._keys.clear()

    def values(self) -> list[Any]:
        scope = _scope.get()
        if scope is None:
            found: list[Any] = super().values()
            return found
        return [self[key] for key in self._keys.get(self._place(*scope), ())]

    @staticmethod
    def _place(at: int, name: str) -> tuple[str, str, int, str]:
        return (get_account_id(), get_region(), at, name)


def apply(_emulator: Emulator) -> None:
    iot._job_executions = Executions()
    for name, at in FUNCTIONS.items():
        setattr(iot, name, _scoped(getattr(iot, name), at))


def _scoped(original: Callable[..., Any], at: int) -> Callable[..., Any]:
    def scoped(name: str, *args: Any, **named: Any) -> Any:
        token = _scope.set((at, name))
        try:
            return original(name, *args, **named)
        finally:
            _scope.reset(token)

    return scoped
