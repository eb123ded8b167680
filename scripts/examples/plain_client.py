#!/usr/bin/env python3
"""A front-end in one file: submits a turn to a running Parley with nats-py alone and prints what comes back.

    python scripts/examples/plain_client.py "remind me tomorrow at three to call mum"
    python scripts/examples/plain_client.py --audio question.wav

Imports nothing of Parley, so it shows all that a client in any language needs: the subject, the JSON, the sound.
Finds the bus as `parley` does: NATS_URL and NATS_TOKEN, or run/parley.json in the data folder.
Exit status: 0 when Parley replied, 1 when the turn failed or was interrupted, 2 for wrong options, 3 when no Parley
answers, 4 when it is busy.
"""

import argparse
import asyncio
import hashlib
import json
import mimetypes
import os
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nats
import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

EVENTS = "PARLEY_EVENTS"  # the stream that keeps all that is said of turns
BUCKET = "parley_blobs"  # the object store with sound, when Parley is set to `blobs: nats`
CONNECT_WITHIN_S = 5.0
SILENCE_S = 120.0  # longer than any turn may take
SHOWN_CHARS = 100


def uuid7() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then chance."""
    number = int(time.time() * 1000) << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76  # the version
    number = number & ~(0x3 << 62) | 0x2 << 62  # the variant
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def subject_of(tenant: str, conversation: str, turn: str, event: str) -> str:
    """`parley.v1.<tenant>.live.<pp>.<conversation>.<turn>.<Event>`; pp is a hash of the conversation."""
    pp = hashlib.blake2b(conversation.encode(), digest_size=1).hexdigest()
    return f"parley.v1.{tenant}.live.{pp}.{conversation}.{turn}.{event}"


async def put(js: JetStreamContext, data: bytes, blobs: Path) -> str:
    """Keep sound where Parley looks for it, under its own hash; its reference.

    In the object store when there is one, else as a file of Parley's data folder, which must be on this machine.
    """
    digest = hashlib.sha256(data).hexdigest()
    try:
        store = await js.object_store(BUCKET)
    except NotFoundError:
        path = blobs / digest[:2] / digest
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".put-{secrets.token_hex(8)}")
        beside.write_bytes(data)
        beside.replace(path)  # whole or not at all
    else:
        await store.put(digest, data)
    return f"sha256:{digest}"


def submission(name: str, fact: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """The event. What it leaves out has a default: run, schema version, time zone (UTC), and sound for the reply."""
    turn = uuid7()
    meta = {
        "id": turn,  # of the event; any text that is its own
        "type": name,
        "schema_version": "1.1",
        "tenant": arguments.tenant,
        "conversation": arguments.conversation or uuid7(),
        "turn": turn,
        "user": arguments.user,
        "time": datetime.now(UTC).isoformat(),
        "time_zone": arguments.time_zone,  # whose "tomorrow at three" it is
        "speech": arguments.speech,
    }
    return {"meta": meta, "fact": fact}


async def talk(client: Client, arguments: argparse.Namespace) -> int:
    """One turn from submission to end; the exit status."""
    js = client.jetstream()
    if arguments.audio is not None:
        data = arguments.audio.read_bytes()
        media_type = mimetypes.guess_type(arguments.audio.name)[0] or "application/octet-stream"
        ref = await put(js, data, arguments.data_dir / "blobs")
        fact: dict[str, Any] = {"audio": {"ref": ref, "media_type": media_type, "size_bytes": len(data)}}
        event = submission("AudioSubmitted", fact, arguments)
    else:
        event = submission("TextSubmitted", {"text": arguments.text}, arguments)
    meta = event["meta"]
    where = (arguments.tenant, meta["conversation"], meta["turn"])

    # From the stream and not from the subject: what was said while a connection was lost comes too.
    told = await js.subscribe(subject_of(*where, "*"), stream=EVENTS, ordered_consumer=True)
    try:
        receipt = await js.publish(
            subject_of(*where, meta["type"]), json.dumps(event).encode(), headers={"Nats-Msg-Id": meta["id"]}
        )
    except APIError as refused:
        print(f"Parley is busy, nothing was accepted: {refused.description}", file=sys.stderr)
        return 4
    print(f"accepted by {receipt.stream}: turn {meta['turn']} of conversation {meta['conversation']}")
    began = time.monotonic()
    while True:
        try:
            message = await told.next_msg(timeout=SILENCE_S)
        except nats.errors.TimeoutError:
            print(f"nothing was heard of the turn for {SILENCE_S:.0f} s; look at `parley status`", file=sys.stderr)
            return 3
        said = json.loads(message.data)
        shown = json.dumps({name: value for name, value in said["fact"].items() if value is not None})
        cut = shown if len(shown) <= SHOWN_CHARS else f"{shown[:SHOWN_CHARS]}…"
        print(f"{time.monotonic() - began:7.2f} s  {said['meta']['stage']:<9} {said['meta']['type']:<18} {cut}")
        if message.subject.endswith(".TurnEnded"):  # TurnCompleted, TurnFailed or TurnInterrupted: exactly one
            end = said["fact"]
            print(f"parley: {end.get('reply') or end.get('message') or end.get('spoken')}")
            if end.get("field"):  # what this program did wrong, which is not for the person
                print(f"{end['field']}: {end['value']} is not allowed; expected {end['expected']}", file=sys.stderr)
            return 0 if said["meta"]["type"] == "TurnCompleted" else 1


def address(data_dir: Path) -> tuple[str, str | None]:
    """Where the bus is, and its token."""
    if url := os.environ.get("NATS_URL"):
        return url, os.environ.get("NATS_TOKEN")
    try:
        running = json.loads((data_dir / "run" / "parley.json").read_bytes())
    except FileNotFoundError:
        print(f"no Parley runs on {data_dir}: start one with `parley up`, or set NATS_URL", file=sys.stderr)
        raise SystemExit(3) from None
    return running["bus_url"], running["bus_token"]


async def _quiet(_: Exception) -> None:
    """Lost connections come back by themselves, and nats-py would print each."""


async def main(arguments: argparse.Namespace) -> int:
    url, token = address(arguments.data_dir)
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            client = await nats.connect(url, token=token, error_cb=_quiet)
    except (OSError, nats.errors.Error) as error:  # a TimeoutError is an OSError
        print(f"no bus at {url}: {error or 'no answer'}", file=sys.stderr)
        return 3
    try:
        return await talk(client, arguments)
    finally:
        await client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("text", nargs="?", help="what to say")
    what.add_argument("--audio", type=Path, help="a recording to be heard instead")
    parser.add_argument("--conversation", help="continue this one; a new one otherwise")
    parser.add_argument("--user", default="me")
    parser.add_argument("--tenant", default="local")
    parser.add_argument("--time-zone", default="UTC", help="IANA name")
    parser.add_argument("--speech", action="store_true", help="have the reply spoken, too")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("PARLEY_DATA_DIR", "data")))
    chosen = parser.parse_args()
    if chosen.audio is not None and not chosen.audio.is_file():
        parser.error(f"--audio: {chosen.audio} is no file")
    raise SystemExit(asyncio.run(main(chosen)))
