"""A small HTTPS server on the emulator's event loop; parsing is h11's."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import h11

MAX_BODY_BYTES = 128 * 1024


@dataclass(frozen=True)
class HttpRequest:
    """`certificate` is the client's, DER; `socket` as in sessions.py."""

    method: str
    target: str
    body: bytes
    certificate: bytes | None
    socket: dict[str, object]


@dataclass(frozen=True)
class HttpResponse:
    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


def json_answer(status: int, body: dict[str, object], headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    return HttpResponse(status, "application/json", json.dumps(body).encode(), headers)


async def serve_https(host: str, port: int, context: ssl.SSLContext, handler: Handler) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve_connection(reader, writer, handler)
        except (h11.RemoteProtocolError, OSError):
            pass  # the client's fault or its absence; only its connection ends
        finally:
            writer.close()

    await asyncio.start_server(serve, host, port, ssl=context)


async def _serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        request = await _read_request(connection, reader, writer)
        if request is None:
            return
        response = await handler(request) if len(request.body) <= MAX_BODY_BYTES else _TOO_LARGE
        writer.write(_encode(connection, response))
        await writer.drain()
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return
        connection.start_next_cycle()


async def _read_request(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> HttpRequest | None:
    """None when the client has gone; a body is read no further than just past the limit."""
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        if isinstance(event, h11.EndOfMessage) or len(body) > MAX_BODY_BYTES:
            break
        if isinstance(event, h11.ConnectionClosed):
            return None
    assert head is not None  # h11 yields the request line first
    source = writer.get_extra_info("peername")
    return HttpRequest(
        method=head.method.decode(),
        target=head.target.decode("latin-1"),
        body=body,
        certificate=writer.get_extra_info("ssl_object").getpeercert(binary_form=True),
        socket={"sourceIp": source[0], "sourcePort": source[1]},
    )


def _encode(connection: h11.Connection, response: HttpResponse) -> bytes:
    headers = [
        ("content-type", response.content_type),
        ("content-length", str(len(response.body))),
        *response.headers,
    ]
    parts = [
        connection.send(h11.Response(status_code=response.status, headers=headers)),
        connection.send(h11.Data(data=response.body)),
        connection.send(h11.EndOfMessage()),
    ]
    return b"".join(part for part in parts if part)


_TOO_LARGE = json_answer(413, {"message": f"The body exceeds {MAX_BODY_BYTES} bytes"})
