"""Answers API calls ahead of a MiniStack service module, or looks at them afterwards."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region

# MiniStack's own shape: status, headers, body.
Response = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Request:
    """`path` is decoded already; `query` holds the first value of each name."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    query: dict[str, str]
    account: str
    region: str

    def json(self) -> dict[str, Any]:
        """The body as an object; anything else is an empty one, as a missing body is."""
        try:
            parsed = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() == "true"


def answer_first(module: ModuleType, handler: Callable[[Request], Awaitable[Response | None]]) -> None:
    """Asks `handler` before `module`; its None passes the request on."""
    original = module.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Response:
        response = await handler(_request(method, path, headers, body, query))
        return await original(method, path, headers, body, query) if response is None else response

    module.handle_request = handle_request  # type: ignore[attr-defined]


def after(module: ModuleType, hook: Callable[[Request, Response], Awaitable[None]]) -> None:
    """Runs `hook` with each request that `module` has answered."""
    original = module.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Response:
        response: Response = await original(method, path, headers, body, query)
        await hook(_request(method, path, headers, body, query), response)
        return response

    module.handle_request = handle_request  # type: ignore[attr-defined]


def not_found(message: str) -> Response:
    return error_response_json("ResourceNotFoundException", message, 404)


def invalid(message: str) -> Response:
    return error_response_json("InvalidRequestException", message, 400)


def _request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Request:
    first = {name: value[0] if isinstance(value, list) else value for name, value in query.items()}
    return Request(method, path, headers, body, first, get_account_id(), get_region())
