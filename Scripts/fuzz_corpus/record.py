"""A checkpoint's record of its run.

The command believes it only where hashes fit: what becomes of it is tested with the store.
"""

from .corpus import HASH, compact

LOSSES = {"step": 2, "train_loss": 1.5, "val_loss": "nan"}
RECORD = {
    "progress": {
        "step": 2,
        "accumulated": 1,
        "accumulated_loss": 0.25,
        "passed_batches": 0,
        "skipped_in_a_row": 0,
        "tokens": 16,
        "evaluation": {"part": 1, "batches": 3, "loss_sum": 4.5, "train_loss": 1.5},
        "last_evaluation": LOSSES,
        "best_evaluation": None,
    },
    "fingerprint": HASH,
    "training": {
        "grad_accum": 1,
        "max_iters": 4,
        "learning_rate": 0.001,
        "min_lr": 0.0001,
        "warmup_iters": 0,
        "lr_decay_iters": 4,
        "schedule": "cosine",
        "optimizer": "adamw",
        "beta1": 0.9,
        "beta2": 0.99,
        "weight_decay": 0.1,
        "grad_clip": 1.0,
        "eval_interval": 2,
        "eval_iters": 1,
        "log_interval": 10,
        "precision": "fp32",
        "seed": "1337",
        "on_nonfinite": "skip",
        "save_every": 2,
        "keep": 2,
    },
    "batch_size": 2,
    "block_size": 4,
    "data": {"path": "/text", "bytes": 121, "sha256": HASH},
    "instruction_set": "avx2",
    "curve": {
        "optimum": None,
        "training": {"seen": 0, "stride": 1, "steps": [], "losses": [], "kept": 0},
        "validation": {"seen": 2, "stride": 1, "steps": [1, 2], "losses": [1.5, "inf"], "kept": 1},
    },
}


def make(case):
    def record(name, accepted=False, **changes):
        case(name, compact(RECORD | changes), accepted=accepted)

    def progress(name, **changes):
        record(name, progress=RECORD["progress"] | changes)

    def training(name, **changes):
        record(name, training=RECORD["training"] | changes)

    def curve(name, **changes):
        validation = RECORD["curve"]["validation"] | changes
        record(name, curve=RECORD["curve"] | {"validation": validation})

    record("base", accepted=True)
    case("empty", b"", accepted=False)
    case("not-an-object", "[]", accepted=False)
    record("no-data", data=None)
    record("block-of-0", block_size=0)
    record("batch-huge", batch_size=2**64)
    progress("step-negative", step=-1)
    progress("step-fractional", step=1.5)
    progress("tokens-string", tokens="16")
    progress("evaluation-number", evaluation=1)
    training("schedule-unknown", schedule="square")
    training("optimizer-unknown", optimizer="\x1b[2J")
    training("seed-negative", seed="-1")
    training("interval-of-0", eval_interval=0)
    curve("stride-of-0", stride=0)
    curve("steps-negative", steps=[-1, 2])
    curve("steps-huge", steps=[1e300, 2])
    curve("more-kept-than-there-are", kept=3)
    curve("more-steps-than-losses", steps=[1, 2, 3])
