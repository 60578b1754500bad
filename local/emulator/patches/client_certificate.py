"""Gap: a TLS client without a certificate is served, and under no policy at all.

AWS page: https://docs.aws.amazon.com/iot/latest/developerguide/client-authentication.html
Does: requires a client certificate in the TLS handshake of the MQTT listener.
"""

from __future__ import annotations

import ssl

from ministack.services import iot

from emulator import Emulator


def apply(_emulator: Emulator) -> None:
    build = iot._mtls_build_ssl_context

    def build_requiring_certificate() -> ssl.SSLContext:
        context = build()
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    iot._mtls_build_ssl_context = build_requiring_certificate
