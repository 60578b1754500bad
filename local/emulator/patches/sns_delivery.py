"""Gap: SNS messages carry Signature "FAKE" and a made-up SigningCertURL, lack AWS's headers and are tried once.

AWS pages: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html (what is signed, versions 1 and 2),
https://docs.aws.amazon.com/sns/latest/dg/http-header.html,
https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
Does: signs every message with RSA, SHA1 or SHA256 by the topic's `SignatureVersion` (default 1, as on AWS); serves the
signing certificate at https://<MINISTACK_HOST>:<port>/SimpleNotificationService-<hex>.pem; sends the x-amz-sns headers;
retries 3 times, with EMULATOR_SNS_RETRY_DELAY_MS between, on a network error, 429 or 5xx.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import hashlib
import http.client
import json
import logging
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from ministack.services import sns

from authority import Identity, kept, make_ca, make_server, make_signer, server_context
from emulator import Emulator, Starter
from https_server import HttpRequest, HttpResponse, json_answer, serve_https

RETRIES = 3
TIMEOUT_SECONDS = 15
SIGNED_FIELDS = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
logger = logging.getLogger("sns")


def apply(emulator: Emulator) -> Starter:
    settings = emulator.settings
    ca = kept(settings.directory, "sns-ca", lambda: make_ca("iot-runbooks local SNS CA"))
    signing = kept(settings.directory, "sns-signing", lambda: make_signer(ca, "sns.amazonaws.com"))
    host = settings.public_host
    server = kept(settings.directory, f"sns-server-{host}", lambda: make_server(ca, host))
    path = f"/SimpleNotificationService-{hashlib.sha256(signing.certificate.encode()).hexdigest()[:32]}.pem"
    signer = Signer.of(signing, f"https://{host}:{settings.sns_cert_port}{path}")
    _sign_messages(signer)
    _deliver_like_aws(signer, settings.sns_retry_delay_ms / 1000)

    async def serve_certificate(request: HttpRequest) -> HttpResponse:
        if request.method != "GET" or request.target != path:
            return json_answer(404, {"message": "Not Found"})
        return HttpResponse(200, "application/x-x509-ca-cert", signing.certificate.encode())

    async def start() -> None:
        context = server_context(server, settings.directory)
        await serve_https(settings.bind_host, settings.sns_cert_port, context, serve_certificate)

    return start


@dataclass(frozen=True)
class Signer:
    key: rsa.RSAPrivateKey
    certificate_url: str

    @staticmethod
    def of(identity: Identity, certificate_url: str) -> Signer:
        key = serialization.load_pem_private_key(identity.key.encode(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return Signer(key, certificate_url)

    def sign(self, message: dict[str, Any], version: str) -> dict[str, Any]:
        fields = [name for name in SIGNED_FIELDS[message["Type"]] if name in message]
        text = "".join(f"{name}\n{message[name]}\n" for name in fields)
        digest = hashes.SHA256() if version == "2" else hashes.SHA1()
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), digest)
        return message | {
            "SignatureVersion": version,
            "Signature": base64.b64encode(signature).decode(),
            "SigningCertURL": self.certificate_url,
        }


def _signature_version(topic_arn: str) -> str:
    topic = sns._topic_by_arn_any_scope(topic_arn) or {}
    return "2" if topic.get("attributes", {}).get("SignatureVersion") == "2" else "1"


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _sign_messages(signer: Signer) -> None:
    build = sns._build_envelope

    def build_envelope(topic_arn: str, *rest: Any) -> str:
        envelope = build(topic_arn, *rest)
        if rest[-1]:  # raw delivery has no envelope
            return envelope
        message = json.loads(envelope) | {"Timestamp": _now()}
        return json.dumps(signer.sign(message, _signature_version(topic_arn)))

    sns._build_envelope = build_envelope


_topic: contextvars.ContextVar[str] = contextvars.ContextVar("_topic")


def _deliver_like_aws(signer: Signer, retry_delay: float) -> None:
    fan_out = sns._fanout

    def fan_out_of_topic(topic_arn: str, *rest: Any, **options: Any) -> None:
        token = _topic.set(topic_arn)
        try:
            fan_out(topic_arn, *rest, **options)
        finally:
            _topic.reset(token)

    def deliver(endpoint: str, payload: str) -> Coroutine[Any, Any, None]:
        return _deliver(endpoint, *_addressed(_topic.get(), endpoint, payload), retry_delay)

    async def confirm(topic_arn: str, subscription: dict[str, Any]) -> None:
        message = signer.sign(_confirmation(topic_arn, subscription["token"]), _signature_version(topic_arn))
        headers = _headers("SubscriptionConfirmation", message["MessageId"], topic_arn)
        await _deliver(subscription["endpoint"], json.dumps(message), headers, retry_delay)

    sns._fanout = fan_out_of_topic
    sns._deliver_to_http = deliver
    sns._send_subscription_confirmation = confirm


def _confirmation(topic_arn: str, token: str) -> dict[str, Any]:
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": str(uuid.uuid4()),
        "Token": token,
        "TopicArn": topic_arn,
        "Message": f"You have chosen to subscribe to the topic {topic_arn}.\n"
        "To confirm the subscription, visit the SubscribeURL included in this message.",
        "SubscribeURL": f"http://{sns._HOST}:{sns._PORT}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}",
        "Timestamp": _now(),
    }


def _addressed(topic_arn: str, endpoint: str, payload: str) -> tuple[str, dict[str, str]]:
    """The payload with its subscription's own UnsubscribeURL (which is not signed), and the headers."""
    subscriptions = (sns._topic_by_arn_any_scope(topic_arn) or {}).get("subscriptions", [])
    subscription = next(s for s in subscriptions if s["endpoint"] == endpoint and s["protocol"] in ("http", "https"))
    if subscription["attributes"].get("RawMessageDelivery") == "true":
        headers = _headers("Notification", str(uuid.uuid4()), topic_arn)
        return payload, headers | {"x-amz-sns-subscription-arn": subscription["arn"], "x-amz-sns-rawdelivery": "true"}
    message = json.loads(payload)
    message["UnsubscribeURL"] = message["UnsubscribeURL"].partition("SubscriptionArn=")[0] + (
        f"SubscriptionArn={subscription['arn']}"
    )
    headers = _headers("Notification", message["MessageId"], topic_arn)
    return json.dumps(message), headers | {"x-amz-sns-subscription-arn": subscription["arn"]}


def _headers(kind: str, message_id: str, topic_arn: str) -> dict[str, str]:
    return {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": kind,
        "x-amz-sns-message-id": message_id,
        "x-amz-sns-topic-arn": topic_arn,
    }


async def _deliver(endpoint: str, payload: str, headers: dict[str, str], retry_delay: float) -> None:
    for attempt in range(1 + RETRIES):
        if attempt > 0:
            await asyncio.sleep(retry_delay)
        try:
            status = await asyncio.to_thread(_post, endpoint, payload.encode(), headers)
        except (OSError, http.client.HTTPException) as error:
            logger.warning("SNS delivery to %s failed: %s", endpoint, error)
            continue
        if status != 429 and status < 500:
            return
        logger.warning("SNS delivery to %s answered %d", endpoint, status)


def _post(endpoint: str, body: bytes, headers: dict[str, str]) -> int:
    """Follows no redirect."""
    url = urlsplit(endpoint)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)
    if url.username is not None:
        credentials = base64.b64encode(f"{url.username}:{url.password or ''}".encode()).decode()
        headers = headers | {"Authorization": f"Basic {credentials}"}
    try:
        connection.request("POST", (url.path or "/") + (f"?{url.query}" if url.query else ""), body, headers)
        return connection.getresponse().status
    finally:
        connection.close()
