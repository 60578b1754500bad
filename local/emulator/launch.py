"""Starts MiniStack with the gaps closed that the runbooks depend on.

    python launch.py

Environment (ports are required, all listeners bind to BIND_HOST):

    BIND_HOST                     default 127.0.0.1
    MINISTACK_HOST                the name others reach it by, in certificates and URLs; default localhost
    GATEWAY_PORT                  every AWS API, plain HTTP
    IOT_MTLS_PORT                 MQTT over TLS for devices
    EMULATOR_HTTPS_PORT           HTTPS publish for devices, POST /topics/<topic>?qos=0|1
    EMULATOR_SNS_CERT_PORT        https://<MINISTACK_HOST>:<port>/SimpleNotificationService-<hex>.pem
    EMULATOR_DIR                  keys and CA files, kept between starts; default .local/emulator
    EMULATOR_POLICY_DELAY_MS      how long a policy change takes to reach the broker; default 0 (AWS: 6 to 8 minutes)
    EMULATOR_SNS_RETRY_DELAY_MS   pause before each of 3 retries; default 1000 (AWS: 20000)
    EMULATOR_EXIT_WITH_STDIN=1    exit when stdin ends, so that the emulator dies with its parent even on kill -9
    EMULATOR_WITHOUT_PATCH        comma-separated names of patches to leave out, for the tests that watch upstream

When every listener is up it prints one JSON line on stdout: `endpoint`, `region`, `accountId`, `mqtt`, `https`, `sns`.
Files written: EMULATOR_DIR/iot-ca.pem (signs the broker's and the devices' certificates) and EMULATOR_DIR/sns-ca.pem
(signs the SNS signing certificate and the listener that serves it). Nothing else survives the process: SIGTERM ends it at once.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import resource
import signal
import sys
import threading
from typing import TYPE_CHECKING

from settings import Settings, SettingsError, configure_ministack, read_settings

if TYPE_CHECKING:
    from emulator import Starter

# In the order in which they are applied: later ones build on what earlier ones replaced.
PATCHES = (
    "loopback_bind",
    "cached_iot_ca",
    "client_certificate",
    "websocket_signature",
    "group_policies",
    "group_membership",
    "effective_policies",
    "v2_logging",
    "connections",
    "certificate_status",
    "https_publish",
    "sns_delivery",
    "metric_alarms",
    "presigned_upload",
    "named_shadows",
    "conditional_writes",
    "fleet_search",
    "fleet_aggregation",
    "subscription_index",
    "execution_index",
)


def name_missing_services() -> None:
    """MiniStack would read all of botocore's models to learn the name of one service, and answer nobody for seconds."""
    from ministack.core import router

    router._KNOWN_AWS_SERVICE_NAMES = frozenset({"servicequotas"})


def main() -> None:
    try:
        settings = read_settings(os.environ)
        unknown = settings.without_patches - set(PATCHES)
        if unknown:
            raise SettingsError(f"EMULATOR_WITHOUT_PATCH names no such patch: {', '.join(sorted(unknown))}")
    except SettingsError as error:
        raise SystemExit(f"emulator: {error}") from None
    settings.directory.mkdir(parents=True, exist_ok=True)
    configure_ministack(settings)
    name_missing_services()
    starters = _apply_patches(settings)
    if settings.exit_with_stdin:
        threading.Thread(target=_exit_with_stdin, daemon=True).start()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # one descriptor a device
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    asyncio.run(_serve(settings, starters))


def _apply_patches(settings: Settings) -> list[Starter]:
    """MiniStack reads the environment at import, so nothing of it may be imported before this."""
    from emulator import Emulator
    from iot_log import IotLog
    from policy_view import PolicyView
    from sessions import remember_sockets

    policies = PolicyView(settings.policy_delay_ms)
    policies.watch()
    remember_sockets()
    emulator = Emulator(settings, policies, IotLog(policies))
    wanted = [name for name in PATCHES if name not in settings.without_patches]
    starters = [importlib.import_module(f"patches.{name}").apply(emulator) for name in wanted]
    return [start for start in starters if start is not None]


def _exit_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


async def _serve(settings: Settings, starters: list[Starter]) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    config = Config()
    config.bind = [f"{settings.bind_host}:{settings.gateway_port}"]
    config.keep_alive_timeout = 75
    config.loglevel = os.environ["LOG_LEVEL"]
    for start in starters:
        await start()
    ready = asyncio.create_task(_announce(settings))
    try:
        await serve(app, config, shutdown_trigger=asyncio.Event().wait)
    finally:
        ready.cancel()


async def _announce(settings: Settings) -> None:
    """Prints the ready line once the gateway answers and the broker listens."""
    from ministack import app
    from ministack.services import iot

    while not (iot.mtls_is_listening() and await _accepts(settings.bind_host, settings.gateway_port)):
        if app._iot_mtls_state == "degraded":
            print(f"emulator: IOT_MTLS_PORT {settings.mqtt_port}: address already in use", file=sys.stderr)
            os._exit(1)
        await asyncio.sleep(0.02)
    line = {
        "endpoint": f"http://{settings.bind_host}:{settings.gateway_port}",
        "region": os.environ["MINISTACK_REGION"],
        "accountId": os.environ["MINISTACK_ACCOUNT_ID"],
        "mqtt": {
            "host": settings.public_host,
            "port": settings.mqtt_port,
            "caFile": str(settings.directory / "iot-ca.pem"),
        },
        "https": {"host": settings.public_host, "port": settings.https_port},
        "sns": {
            "signingHost": f"{settings.public_host}:{settings.sns_cert_port}",
            "caFile": str(settings.directory / "sns-ca.pem"),
        },
    }
    print(json.dumps(line), flush=True)


async def _accepts(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


if __name__ == "__main__":
    main()
