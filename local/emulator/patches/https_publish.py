"""Gap: devices cannot publish over HTTPS with their certificate; POST /topics on the gateway asks IAM, not IoT policies.

AWS page: https://docs.aws.amazon.com/iot/latest/developerguide/http.html
Does: a TLS listener that requires a client certificate and answers `POST /topics/<topic>?qos=0|1`. There is no client id, so no
thing: statements that need `iot:Connection.Thing.*` or `iot:ClientId` do not match and group policies do not count. 403
ForbiddenException when denied or when the certificate is not ACTIVE; what is allowed goes to the same broker and is logged.
"""

from __future__ import annotations

import hashlib
import ssl
import uuid
from urllib.parse import parse_qs, unquote, urlsplit

from ministack.core.responses import request_scope
from ministack.services import iot, iot_data

from authority import Identity, server_context
from device_policies import allows
from emulator import Emulator, Starter
from https_server import HttpRequest, HttpResponse, json_answer, serve_https
from iot_log import Event

PREFIX = "/topics/"


def apply(emulator: Emulator) -> Starter:
    settings = emulator.settings

    async def handle(request: HttpRequest) -> HttpResponse:
        url = urlsplit(request.target)
        if request.method != "POST" or not url.path.startswith(PREFIX):
            return json_answer(404, {"message": "Not Found"})
        topic = unquote(url.path[len(PREFIX) :])
        qos = parse_qs(url.query).get("qos", ["0"])[0]
        if iot_data._validate_topic(topic) is not None or qos not in ("0", "1"):
            return json_answer(400, {"message": "Invalid topic or qos", "traceId": str(uuid.uuid4())})
        return await _publish(emulator, request, topic, int(qos))

    async def start() -> None:
        await serve_https(settings.bind_host, settings.https_port, _tls_context(emulator), handle)

    return start


async def _publish(emulator: Emulator, request: HttpRequest, topic: str, qos: int) -> HttpResponse:
    certificate = hashlib.sha256(request.certificate or b"").hexdigest()
    registrations = iot._mtls_active_registrations(certificate)
    if len(registrations) != 1:
        return _forbidden()
    account, region, _ = registrations[0]
    context = iot._mqtt_policy_context(account, region, certificate, "")
    known = {name: context[name] for name in ("iot:certificate.subject.commonname",) if name in context}
    allowed = allows(emulator.policies, account, region, certificate, known, "iot:Publish", f"topic/{topic}")
    reason = None if allowed else "AUTHORIZATION_FAILURE"
    event = Event("Publish-In", certificate, topic=topic, protocol="HTTP", reason=reason, socket=request.socket)
    emulator.log.write(account, region, event)
    if not allowed:
        return _forbidden()
    with request_scope(account, region):
        await iot.broker_publish(account, region, topic, request.body, qos=qos, principal=certificate)
    return json_answer(200, {"message": "OK", "traceId": str(uuid.uuid4())})


def _forbidden() -> HttpResponse:
    body: dict[str, object] = {"message": "Forbidden", "traceId": str(uuid.uuid4())}
    return json_answer(403, body, (("x-amzn-errortype", "ForbiddenException"),))


def _tls_context(emulator: Emulator) -> ssl.SSLContext:
    """Trusts what the MQTT listener trusts, certificates registered later included."""
    context = server_context(Identity(*iot._mtls_ensure_server_cert()), emulator.settings.directory)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    loaded: set[str] = set()

    def trust_registered(_socket: object, _name: object, _context: object) -> None:
        for identifier, pem in iot._mtls_trust_anchors():
            if identifier not in loaded:
                loaded.add(identifier)
                context.load_verify_locations(cadata=pem)

    trust_registered(None, None, None)
    context.sni_callback = trust_registered
    return context
