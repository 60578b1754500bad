"""Gap: without PERSIST_STATE each start makes a new CA, so device certificates made earlier are worthless.

AWS page: https://docs.aws.amazon.com/iot/latest/developerguide/server-authentication.html (Amazon's roots do not change).
Does: keeps the CA and the broker's certificate in EMULATOR_DIR.
"""

from __future__ import annotations

from ministack.core.x509_utils import generate_ca
from ministack.services import iot

from authority import Identity, kept
from emulator import Emulator


def apply(emulator: Emulator) -> None:
    directory = emulator.settings.directory
    ca = kept(directory, "iot-ca", lambda: Identity(*generate_ca()))
    iot._ca_cert_pem, iot._ca_key_pem = ca.certificate, ca.key
    broker = kept(directory, "iot-broker", lambda: Identity(*iot._mtls_ensure_server_cert()))
    iot.set_mtls_server_cert(broker.certificate, broker.key)
