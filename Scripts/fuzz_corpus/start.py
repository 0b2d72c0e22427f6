"""What a run was begun with, in the run directory: the command reads it where there is no checkpoint."""

import json

from .configuration import CONFIGURATION
from .corpus import HASH, compact
from .record import RECORD

SHARED = ("training", "batch_size", "block_size", "data", "instruction_set")
START = {
    "format": "swift-autograd run",
    "version": 1,
    "recompute": True,
    "init_from": "/model",
    "model": CONFIGURATION,
    "fingerprint": HASH,
} | {key: RECORD[key] for key in SHARED}


def make(case):
    def start(name, accepted=False, **changes):
        changed = {key: value for key, value in (START | changes).items() if value != "absent"}
        case(name, compact(changed), accepted=accepted)

    case("base", json.dumps(START, indent=2), accepted=True)
    start("without-later-keys", accepted=True, recompute="absent", init_from="absent")
    start("new-weights", accepted=True, init_from=None)
    case("empty", b"", accepted=False)
    case("not-an-object", "[]", accepted=False)
    start("format-of-others", format="swift-autograd checkpoint")
    start("no-format", format="absent")
    start("version-2", version=2)
    start("version-a-string", version="1")
    start("no-model", model="absent")
    start("model-a-string", model="\x1b[2J")
    start("model-of-others", model=CONFIGURATION | {"model_type": "\x1b[2J"})
    start("heads-0", model=CONFIGURATION | {"n_head": 0})
    start("no-training", training="absent")
    start("block-of-0", block_size=0)
    start("batch-huge", batch_size=2**64)
    start("recompute-a-number", recompute=1)
    start("init-from-a-number", init_from=1)
    start("seed-negative", training=RECORD["training"] | {"seed": "-1"})
    start("no-fingerprint", fingerprint="absent")
