"""What the launcher reads from its environment, in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SERVICES = "iot,iot-data,iot-jobs-data,dynamodb,s3,sns,sqs,logs,monitoring,events,iam,sts,tagging"


class SettingsError(ValueError):
    """An environment variable cannot be used; the message names it and what it must be."""


@dataclass(frozen=True)
class Settings:
    """Ports are TCP on `bind_host`; delays are milliseconds."""

    bind_host: str
    public_host: str
    gateway_port: int
    mqtt_port: int
    https_port: int
    sns_cert_port: int
    directory: Path
    policy_delay_ms: int
    sns_retry_delay_ms: int
    exit_with_stdin: bool
    without_patches: frozenset[str]


def read_settings(env: Mapping[str, str]) -> Settings:
    """Raises SettingsError for a missing port or a number out of range."""
    return Settings(
        bind_host=env.get("BIND_HOST", "127.0.0.1"),
        public_host=env.get("MINISTACK_HOST", "localhost"),
        gateway_port=_port(env, "GATEWAY_PORT"),
        mqtt_port=_port(env, "IOT_MTLS_PORT"),
        https_port=_port(env, "EMULATOR_HTTPS_PORT"),
        sns_cert_port=_port(env, "EMULATOR_SNS_CERT_PORT"),
        directory=Path(env.get("EMULATOR_DIR", ".local/emulator")).resolve(),
        policy_delay_ms=_number(env, "EMULATOR_POLICY_DELAY_MS", 0, 3_600_000, "0"),
        sns_retry_delay_ms=_number(env, "EMULATOR_SNS_RETRY_DELAY_MS", 0, 3_600_000, "1000"),
        exit_with_stdin=env.get("EMULATOR_EXIT_WITH_STDIN") == "1",
        without_patches=frozenset(
            name.strip() for name in env.get("EMULATOR_WITHOUT_PATCH", "").split(",") if name.strip()
        ),
    )


def configure_ministack(settings: Settings) -> None:
    """Sets what MiniStack itself reads at import; must run before the first import of it."""
    os.environ.update(
        {
            "BIND_HOST": settings.bind_host,
            "MINISTACK_HOST": settings.public_host,
            "GATEWAY_PORT": str(settings.gateway_port),
            "IOT_MTLS_PORT": str(settings.mqtt_port),
            "AUTH": "true",
            "PERSIST_STATE": "0",
            "S3_PERSIST": "0",
            "STATE_DIR": str(settings.directory / "state"),
            "S3_DATA_DIR": str(settings.directory / "s3"),
        }
    )
    for name, value in {
        "MINISTACK_REGION": "eu-west-1",
        "MINISTACK_ACCOUNT_ID": "000000000000",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "LOG_LEVEL": "WARNING",
        "SERVICES": SERVICES,
    }.items():
        os.environ.setdefault(name, value)


def _port(env: Mapping[str, str], name: str) -> int:
    return _number(env, name, 1, 65535, None)


def _number(env: Mapping[str, str], name: str, low: int, high: int, default: str | None) -> int:
    raw = env.get(name, default)
    if raw is None or not raw.isascii() or not raw.isdigit() or not low <= int(raw) <= high:
        raise SettingsError(f"{name} must be a whole number from {low} to {high}, got {raw!r}")
    return int(raw)
