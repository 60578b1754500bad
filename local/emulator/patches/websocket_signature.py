"""Gap: an MQTT over WebSocket upgrade that is not signed is served, under no policy at all.

AWS page: https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html (MQTT over WSS authenticates with Signature
Version 4).
Does: refuses the upgrade with 403, as a wrong signature is.
"""

from __future__ import annotations

from typing import Any

from ministack.services import iot

from emulator import Emulator


def apply(_emulator: Emulator) -> None:
    check = iot._ws_handshake_check

    def check_signed(scope: dict[str, Any]) -> Any:
        checked = check(scope)
        return iot.AuthError("MissingAuthenticationToken", "The upgrade is not signed.") if checked is None else checked

    iot._ws_handshake_check = check_signed
