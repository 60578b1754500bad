"""What every patch is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from iot_log import IotLog
from policy_view import PolicyView
from settings import Settings

# Awaited on the event loop before the gateway accepts its first request.
Starter = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Emulator:
    settings: Settings
    policies: PolicyView
    log: IotLog
