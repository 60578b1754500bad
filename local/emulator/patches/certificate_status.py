"""Gap: a certificate set INACTIVE or REVOKED keeps its live sessions, which go on publishing.

AWS page: https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCertificate.html ("within a few minutes of updating a
certificate from the ACTIVE state to any other state, AWS IoT disconnects all devices that used that certificate").
Does: drops them at once. (New connects are refused by MiniStack itself.)
"""

from __future__ import annotations

from ministack.services import iot

from emulator import Emulator
from routes import Request, Response, after
from sessions import NOT_AUTHORIZED, end_session

PREFIX = "/certificates/"


def apply(_emulator: Emulator) -> None:
    after(iot, _drop_sessions)


async def _drop_sessions(request: Request, response: Response) -> None:
    if request.method != "PUT" or not request.path.startswith(PREFIX) or response[0] != 200:
        return
    if (request.query.get("newStatus") or request.json().get("newStatus")) == "ACTIVE":
        return
    certificate = request.path[len(PREFIX) :]
    for session in [s for s in iot._connected_clients.values() if s.certificate_id == certificate]:
        await end_session(session, "AUTH_ERROR", NOT_AUTHORIZED)
