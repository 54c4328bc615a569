"""The files of a prepared directory: the three parts, and the secrets that were planted in one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from counsel.data.canaries import Canary
from counsel.data.splitting.parts import FILLED, Keys, Part
from counsel.data.splitting.split import Split
from counsel.data.splitting.spool import Spool
from counsel.files import sha256_of, write_json

SECRETS = "canaries.json"


def write_files(
    folder: Path, spool: Spool, split: Split, planted: Sequence[Canary], controls: Sequence[Canary]
) -> dict[str, dict[str, Any]]:
    """Write the three parts, rows in the order they came and canaries last in train, and what the canaries are.

    Returns:
        for each file its rows and its SHA-256.
    """
    files = _write_parts(folder, spool, split, planted)
    if planted:
        secrets = {"planted": [asdict(c) for c in planted], "controls": [asdict(c) for c in controls]}
        write_json(folder / SECRETS, secrets)
        files[SECRETS] = {"rows": len(planted), "sha256": sha256_of(folder / SECRETS)}
    return files


def _write_parts(folder: Path, spool: Spool, split: Split, planted: Sequence[Canary]) -> dict[str, dict[str, Any]]:
    hashes = {part: hashlib.sha256() for part in FILLED}
    rows = dict.fromkeys(FILLED, 0)
    used: dict[int, int] = {}
    with ExitStack() as stack:
        handles = {part: stack.enter_context(open(folder / part.file, "wb")) for part in FILLED}

        def put(part: Part, line: bytes) -> None:
            handles[part].write(line)
            hashes[part].update(line)
            rows[part] += 1

        parts, digests = [Part(p) for p in split.part.tolist()], spool.digests
        repeats = _repeated(digests[split.used])
        for i, (messages, source) in enumerate(spool.records()):
            if parts[i] is Part.LEFT_OUT:
                continue
            digest = int(digests[i])
            identity = f"{digest:016x}"
            if digest in repeats:  # only a split by row keeps duplicates
                used[digest] = used.get(digest, 0) + 1
                identity += f"-{used[digest]}"
            tail = f', "id": "{identity}", "group": "{int(split.group[i]):016x}"}}\n'.encode()
            put(parts[i], b'{"messages": ' + messages + b', "source": ' + source + tail)
        for canary in planted:
            put(Part.TRAIN, json.dumps(canary.conversation().to_json()).encode() + b"\n")
    return {part.file: {"rows": rows[part], "sha256": hashes[part].hexdigest()} for part in FILLED}


def _repeated(digests: Keys) -> set[int]:
    values, counts = np.unique(digests, return_counts=True)
    return set(values[counts > 1].tolist())
