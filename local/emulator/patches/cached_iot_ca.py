"""Gap: without PERSIST_STATE each start makes a new CA, so device certificates made earlier are worthless.

AWS page: https://docs.aws.amazon.com/iot/latest/developerguide/server-authentication.html (Amazon's roots do not change).
Does: keeps the CA and the broker's certificate in EMULATOR_DIR; a second start needs no key generation.
"""

from __future__ import annotations

from pathlib import Path

from ministack.core.x509_utils import generate_ca
from ministack.services import iot

from settings import Settings


def apply(settings: Settings) -> None:
    iot._ca_cert_pem, iot._ca_key_pem = _cached(settings.directory, "iot-ca", generate_ca)
    iot.set_mtls_server_cert(*_cached(settings.directory, "iot-broker", iot._mtls_ensure_server_cert))


def _cached(directory: Path, name: str, make) -> tuple[str, str]:
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    if certificate.exists() and key.exists():
        return certificate.read_text(), key.read_text()
    pems = make()
    key.touch(mode=0o600)
    key.write_text(pems[1])
    certificate.write_text(pems[0])
    return pems
