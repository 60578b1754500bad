"""python-tuf, the reference implementation, for the tests: reads one JSON request, writes one JSON answer.

download: what a client that knows nothing of this project makes of a repository (tuf.ngclient).
make:     a repository that this project's code had no part in (tuf.api.metadata), thresholds and key types mixed.
"""

import hashlib
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.ngclient import Updater


def download(request):
    folder = Path(request["dir"])
    for name in ("metadata", "targets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    updater = Updater(
        metadata_dir=str(folder / "metadata"),
        metadata_base_url=request["metadataUrl"],
        target_dir=str(folder / "targets"),
        target_base_url=request["targetsUrl"],
        bootstrap=Path(request["rootFile"]).read_bytes(),
    )
    updater.refresh()
    info = updater.get_targetinfo(request["target"])
    if info is None:
        return {"error": "no such target"}
    path = updater.download_target(info)
    return {
        "path": path,
        "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        "custom": info.custom,
    }


def make(request):
    folder = Path(request["dir"])
    expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(
        days=request["expiresDays"]
    )
    keys = {
        "root": [CryptoSigner.generate_ed25519() for _ in range(3)],
        "targets": [CryptoSigner.generate_ed25519() for _ in range(2)],
        "snapshot": [CryptoSigner.generate_rsa()],
        "timestamp": [CryptoSigner.generate_ecdsa()],
    }
    root = Root(expires=expires, consistent_snapshot=True)
    for role, signers in keys.items():
        for signer in signers:
            root.add_key(signer.public_key, role)
        root.roles[role].threshold = min(2, len(signers))
    targets = Targets(expires=expires)
    for target in request["targets"]:
        add_target(targets, folder / "targets", target)
    write(folder, "1.root.json", root, keys["root"])
    targets_bytes = write(folder, "1.targets.json", targets, keys["targets"])
    snapshot = Snapshot(expires=expires, meta={"targets.json": meta_file(targets_bytes)})
    snapshot_bytes = write(folder, "1.snapshot.json", snapshot, keys["snapshot"])
    timestamp = Timestamp(expires=expires, snapshot_meta=meta_file(snapshot_bytes))
    write(folder, "timestamp.json", timestamp, keys["timestamp"])
    return {
        "rootFile": str(folder / "metadata" / "1.root.json"),
        "metadataDir": str(folder / "metadata"),
        "targetsDir": str(folder / "targets"),
    }


def add_target(targets, folder, target):
    content = Path(target["file"]).read_bytes()
    info = TargetFile.from_data(target["name"], content, ["sha256"])
    info.unrecognized_fields["custom"] = target["custom"]
    targets.targets[target["name"]] = info
    path = folder / target["name"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{info.hashes['sha256']}.{path.name}").write_bytes(content)


def meta_file(content):
    return MetaFile(1, len(content), {"sha256": hashlib.sha256(content).hexdigest()})


def write(folder, name, signed, signers):
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    content = metadata.to_bytes()
    (folder / "metadata").mkdir(parents=True, exist_ok=True)
    (folder / "metadata" / name).write_bytes(content)
    return content


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    try:
        answer = {"download": download, "make": make}[request["command"]](request)
    except Exception as err:  # the tests read why a repository was refused
        answer = {"error": f"{type(err).__name__}: {err}"}
    print(json.dumps(answer))
