"""Certificates that the emulator makes for itself, kept in EMULATOR_DIR so that a second start needs no key generation."""

from __future__ import annotations

import datetime
import fcntl
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 825
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, PEM."""

    certificate: str
    key: str


def kept(directory: Path, name: str, make: Callable[[], Identity]) -> Identity:
    """The identity in `<name>.pem` and `<name>.key`, made if there is none.

    Safe for launchers that share a directory and start at once: one makes it, the others read it.
    """
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    with _locked(directory):
        if certificate.exists() and key.exists():
            return Identity(certificate.read_text(), key.read_text())
        made = make()
        key.touch(mode=0o600)
        key.write_text(made.key)
        partial = certificate.with_suffix(".partial")
        partial.write_text(made.certificate)
        partial.replace(certificate)
        return made


def make_ca(common_name: str) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _certificate(common_name, common_name, key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    return _identity(builder.sign(key, hashes.SHA256()), key)


def make_server(ca: Identity, host: str) -> Identity:
    """For TLS on this host and on localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    hosts = [x509.DNSName(name) for name in dict.fromkeys(["localhost", host])]
    names = x509.SubjectAlternativeName([*hosts, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return _leaf(ca, host, key, [names, usage])


def make_signer(ca: Identity, common_name: str) -> Identity:
    """RSA, as SNS signs with RSA only."""
    return _leaf(ca, common_name, rsa.generate_private_key(public_exponent=65537, key_size=2048), [])


def server_context(identity: Identity, directory: Path) -> ssl.SSLContext:
    """TLS for a listener. Python takes certificates from files only, so one is there for a moment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.NamedTemporaryFile("w", dir=directory, suffix=".pem") as file:
        file.write(identity.certificate + identity.key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _leaf(ca: Identity, common_name: str, key: PrivateKey, extensions: list[x509.ExtensionType]) -> Identity:
    issuer = x509.load_pem_x509_certificate(ca.certificate.encode())
    issuer_key = serialization.load_pem_private_key(ca.key.encode(), password=None)
    issuer_name = issuer.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    builder = _certificate(common_name, str(issuer_name), key)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    for extension in [*extensions, authority]:
        builder = builder.add_extension(extension, critical=False)
    return _identity(builder.sign(issuer_key, hashes.SHA256()), key)


def _certificate(subject: str, issuer: str, key: PrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _identity(certificate: x509.Certificate, key: PrivateKey) -> Identity:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
