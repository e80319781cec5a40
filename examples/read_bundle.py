"""Read and verify a file of `hstore export EXP -o FILE.hstore`, without hstore: needs `pip install pymongo msgpack`.

    python read_bundle.py digits.hstore [HEX]

Prints the trials, and recomputes every digest: HEX is the digest of the last decision that you were told beforehand.
"""

import datetime as dt
import hashlib
import json
import struct
import sys
import uuid
import zipfile
from typing import Any

import bson
import msgpack

CODEC: bson.CodecOptions[dict[str, Any]] = bson.CodecOptions(
    tz_aware=True,
    uuid_representation=bson.binary.UuidRepresentation.STANDARD,
    datetime_conversion=bson.codec_options.DatetimeConversion.DATETIME_AUTO,
)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def milliseconds(moment: dt.datetime) -> int:
    """Return *moment* as the digests have it: milliseconds since 1970."""
    return (moment - EPOCH) // dt.timedelta(milliseconds=1)


def extension(value: Any) -> Any:
    """Return what stands for a *value* that msgpack has no type for."""
    if isinstance(value, uuid.UUID):
        return msgpack.ExtType(2, value.bytes)
    if isinstance(value, dt.datetime):
        return msgpack.ExtType(1, struct.pack(">q", milliseconds(value)))
    return msgpack.ExtType(4, bson.encode({"": value}))


def digest(event: dict[str, Any], after: bytes) -> bytes:
    """Return the digest of *event*, which follows what has the digest *after* in its chain."""
    data, of_original = event["data"], event.get("origin")  # a fork has copies, with the digests of the originals
    exp, id = (of_original["exp"], of_original["id"]) if of_original else (event["exp"], event["_id"])
    fields = [id.bytes, exp, event.get("tid"), event["ver"], event["type"], event["v"]]
    fields += [milliseconds(event["at"]), event["by"], [[name, data[name]] for name in sorted(data)]]
    packed: bytes = msgpack.packb(fields, default=extension)
    return hashlib.sha256(after + packed).digest()


def main(file: str, wanted: str | None = None) -> int:
    """Print what is in *file*, and what is wrong with it; return 1 if anything is."""
    archive = zipfile.ZipFile(file)
    manifest = json.loads(archive.read("manifest.json"))
    events = bson.decode_all(archive.read("events.bson"), CODEC)

    # 1. Attachments are named by their SHA-256.
    blobs = [name for name in archive.namelist() if name.startswith("blobs/")]
    wrong = [name for name in blobs if hashlib.sha256(archive.read(name)).hexdigest() != name[6:]]
    problems = [f"{name} is not what it was" for name in wrong]

    # 2. Each chain, that of a trial or (tid None) the experiment's own, has a digest for each of its events.
    chains: dict[Any, list[dict[str, Any]]] = {}
    digests: dict[Any, bytes] = {}
    for event in events:  # by trial, then by place
        chain = chains.setdefault(event.get("tid"), [])
        before = digests.get((event.get("tid"), event["ver"] - 1), b"")
        chain.append(event)
        digests[event.get("tid"), event["ver"]] = digest(event, before)

    # 3. Each event says what it follows, and each decision what it knew: [chain, place, digest].
    for event in events:
        tid, ver, data = event.get("tid"), event["ver"], event["data"]
        follows = (tid, ver - 1) if ver else (tid - 1, 0) if tid else (None, 0)
        if "prev" in data and digests.get(follows) != data["prev"]:
            problems.append(f"event {ver} of trial {tid} does not follow event {follows[1]} of trial {follows[0]}")
        for chain, place, known in data.get("observed", ()):
            if digests.get((chain, place)) != known:
                problems.append(f"trial {chain} is not what trial {tid} knew of it")

    # 4. The digest of the last decision commits to all before it.
    trials = sorted(tid for tid in chains if tid is not None)
    last = digests[trials[-1], 0].hex() if trials else None
    if wanted is not None and wanted != last:
        problems.append(f"the last decision has the digest {last}, not {wanted}")

    print(f"{manifest['experiment']}: {len(events)} events, {len(trials)} trials, last decision {last}")
    for tid in trials:
        ends = [event["data"] for event in chains[tid] if event["type"] in ("done", "failed", "cancelled")]
        amended = [event["data"]["amend"] for event in chains[tid] if "amend" in event["data"]]
        shown = {**(ends[-1] if ends else {}), **(amended[-1] if amended else {})}
        print(tid, json.dumps(chains[tid][0]["data"].get("params"), default=str), shown.get("loss"))
    print("\n".join(problems) or "OK: every digest is right")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
