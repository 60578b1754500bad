"""Gap: bucket policies can't tell a conditional write from another.

AWS page: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
Does: the condition key `s3:if-none-match` has the value of the header on PutObject, and is absent without it.
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_actions

from emulator import Emulator

HEADER = "if-none-match"


def apply(_emulator: Emulator) -> None:
    original = iam_actions._s3_object_context

    def context(action: str, query: dict[str, Any], path: str, headers: dict[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = original(action, query, path, headers)
        if action == "s3:PutObject" and headers.get(HEADER):
            found[f"s3:{HEADER}"] = headers[HEADER]
        return found

    iam_actions._s3_object_context = context
