"""Gap: each message is compared with every subscription of every client, which takes all of a core from 100 devices on.

AWS page: https://docs.aws.amazon.com/general/latest/gr/iot-core.html (500,000 connections an account)
Does: finds the filters that may match by the levels of the topic; MiniStack then compares those as it always does.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Iterator

from ministack.services import iot

from emulator import Emulator

# Of the message that is being delivered, with account and region before it as the filters have them.
_topic: ContextVar[str | None] = ContextVar("topic", default=None)


class Level:
    """What follows one level of a filter."""

    __slots__ = ("below", "filter")

    def __init__(self) -> None:
        self.below: dict[str, Level] = {}
        self.filter: str | None = None


class Subscriptions(dict[str, set[Any]]):
    """By filter. While a message is delivered, `values` holds what may match its topic."""

    def __init__(self) -> None:
        super().__init__()
        self._root = Level()

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            level = self._root
            for part in name.split("/"):
                level = level.below.setdefault(part, Level())
            level.filter = name
        return super().setdefault(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        path = [self._root]
        for part in name.split("/"):
            following = path[-1].below.get(part)
            if following is None:
                return super().pop(name, *default)
            path.append(following)
        path[-1].filter = None
        for above, part in reversed(list(zip(path, name.split("/")))):
            if above.below[part].below or above.below[part].filter is not None:
                break
            del above.below[part]
        return super().pop(name, *default)

    def clear(self) -> None:
        self._root = Level()
        super().clear()

    def values(self) -> Any:
        topic = _topic.get()
        if topic is None:
            return super().values()
        return [self[name] for name in _matching(self._root, topic.split("/"), 0)]


def _matching(level: Level, topic: list[str], depth: int) -> Iterator[str]:
    rest = level.below.get("#")
    if rest is not None and rest.filter is not None:
        yield rest.filter
    if depth == len(topic):
        if level.filter is not None:
            yield level.filter
        return
    for part in {topic[depth], "+"}:
        following = level.below.get(part)
        if following is not None:
            yield from _matching(following, topic, depth + 1)


def apply(_emulator: Emulator) -> None:
    publish = iot.broker_publish
    subscriptions = Subscriptions()
    for name, subscribers in iot._subscriptions.items():
        subscriptions.setdefault(name, subscribers)
    iot._subscriptions = subscriptions

    async def broker_publish(account: str, region: str, topic: str, *rest: Any, **more: Any) -> None:
        token = _topic.set(iot._scoped_topic(account, region, topic))
        try:
            await publish(account, region, topic, *rest, **more)
        finally:
            _topic.reset(token)

    iot.broker_publish = broker_publish
