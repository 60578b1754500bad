"""Gap: a job document's placeholder for an upload URL is handed to the device as it is.

AWS page: https://docs.aws.amazon.com/iot/latest/developerguide/create-manage-jobs.html (presigned URL for file upload: the
placeholder becomes a URL when a device receives the document; `${thingName}`, `${jobId}` and `${executionNumber}`, at most two
of each, may stand in the key and not in the bucket).
Does: mints a presigned PUT URL of the emulator's S3, signed as a session of the job's role, valid for its expiresInSec;
CreateJob refuses a placeholder without a role, without an S3 object URL, or with too many keywords.
"""

from __future__ import annotations

import contextvars
import re
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, get_region
from ministack.core.sigv4 import (
    build_canonical_query_string,
    build_canonical_request,
    build_string_to_sign,
    calculate_signature,
    uri_encode,
)
from ministack.core.tls import use_ssl_enabled
from ministack.services import iot

from emulator import Emulator
from routes import Response, invalid

KEYWORDS = ("thingName", "jobId", "executionNumber")
MAX_OF_EACH = 2
PLACEHOLDER = re.compile(
    r"\$\{aws:iot:s3-presigned-url-upload:((?:[^{}$]|\$\{(?:" + "|".join(KEYWORDS) + r")\})*)\}"
)
# Whose execution the document is being written for: MiniStack asks for documents by job alone.
_execution: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("_upload_execution", default=None)


def apply(_emulator: Emulator) -> None:
    for name in ("jobs_describe_execution", "jobs_start_next_execution", "jobs_update_execution"):
        _remember(name)
    refuse = iot._job_presign_error
    stock_document = iot._jobs_presigned_document

    def presign_error(document: str | None, config: dict[str, Any] | None, job_id: str) -> Response | None:
        return _refusal(document or "", config) or refuse(document, config, job_id)

    def presigned_document(job: dict[str, Any]) -> str:
        document: str = stock_document(job)
        execution = _execution.get()
        if execution is None or execution["jobId"] != job["jobId"] or "s3-presigned-url-upload" not in document:
            return document
        role = (job.get("presignedUrlConfig") or {}).get("roleArn")
        if not role or not iot._iot_role_usable(role):
            return document
        return PLACEHOLDER.sub(lambda match: _mint(match, job, execution), document)

    iot._job_presign_error = presign_error
    iot._jobs_presigned_document = presigned_document


def _remember(name: str) -> None:
    original: Callable[..., Any] = getattr(iot, name)

    def remembering(thing: str, *args: Any, **named: Any) -> Any:
        answer = original(thing, *args, **named)
        execution = answer[0] if isinstance(answer, tuple) else answer
        _execution.set(None if execution is None else {"thingName": thing, **execution})
        return answer

    setattr(iot, name, remembering)


def _refusal(document: str, config: dict[str, Any] | None) -> Response | None:
    for match in PLACEHOLDER.finditer(document):
        if not (isinstance(config, dict) and config.get("roleArn")):
            return invalid("presignedUrlConfig role ARN is required to generate an S3 presigned url in job document.")
        url = match.group(1)
        bucket, key = iot._job_document_s3_location(url)
        if not bucket or not key or "${" in bucket:
            return invalid(f"Given S3 url {url} is invalid.")
        for keyword in KEYWORDS:
            if key.count("${" + keyword + "}") > MAX_OF_EACH:
                return invalid(f"At most {MAX_OF_EACH} of ${{{keyword}}} are allowed in {url}.")
    if document.count("${aws:iot:s3-presigned-url-upload") != len(PLACEHOLDER.findall(document)):
        return error_response_json("InvalidRequestException", "The upload placeholder is invalid.", 400)
    return None


def _mint(match: re.Match[str], job: dict[str, Any], execution: dict[str, Any]) -> str:
    bucket, key = iot._job_document_s3_location(match.group(1))
    for keyword in KEYWORDS:
        key = key.replace("${" + keyword + "}", str(execution[keyword]))
    config = job["presignedUrlConfig"]
    expires = int(config.get("expiresInSec") or 3600)
    access_key, session = iot._jobs_presign_session(config["roleArn"], expires)
    host = _host()
    now, region, path = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), get_region(), f"/{bucket}/{key}"
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{access_key}/{now[:8]}/{region}/s3/aws4_request",
        "X-Amz-Date": now,
        "X-Amz-Expires": str(expires),
        "X-Amz-Security-Token": session["SessionToken"],
        "X-Amz-SignedHeaders": "host",
    }
    request = build_canonical_request("PUT", path, {"host": host}, query, "host")
    to_sign = build_string_to_sign(now, now[:8], region, "s3", request)
    signature = calculate_signature(session["SecretAccessKey"], now[:8], region, "s3", to_sign)
    scheme = "https" if use_ssl_enabled() else "http"
    address = f"{scheme}://{host}{uri_encode(path, encode_slash=False)}"
    return f"{address}?{build_canonical_query_string(query)}&X-Amz-Signature={signature}"


def _host() -> str:
    """The name by which the device reached the emulator, as for download URLs."""
    host = iot.jobs_device_host.get()
    return host if iot._JOB_PRESIGN_HOST_RE.fullmatch(host) else f"{iot._MINISTACK_HOST}:{iot._GATEWAY_PORT}"
