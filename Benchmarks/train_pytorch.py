#!/usr/bin/env python3
"""Trains a character-level model in PyTorch: the other side of a comparison.

The recipe is nanoGPT's for a CPU, written anew; the defaults are its numbers.
Options are named as in `autograd train`, so that one list of options drives
both. Whatever makes PyTorch faster without changing the result is used: fused
attention, fused AdamW, windows gathered in one call; `--compile` and
`--precision bf16` (autocast) are there to be tried.

The text is split 90/10 into training and validation characters. Losses are
means over `--eval-iters` random batches of each part. A step is timed from
gathering its batch to the end of its update.

The last line on standard output is one JSON object. Progress goes to
standard output too, unless `--json` is given. With `--steps-only` only steps
are timed: the losses and the time with evaluation are null. Instead of a text
`--vocab-size` gives random tokens, for sizes that no text at hand has.

Example: train_pytorch.py --data input.txt --threads 2 --steps-only 50
Needs: pip install torch numpy
"""

import argparse
import json
import math
import platform
import resource
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

from pytorch_models import MODELS


class Windows:
    """Random windows of one part of the text."""

    def __init__(self, tokens, options, seed):
        self.view = tokens.unfold(0, options.block_size + 1, 1)
        self.batch_size = options.batch_size
        self.generator = torch.Generator().manual_seed(seed)

    def batch(self):
        """Returns inputs and targets [B, T]."""
        starts = torch.randint(
            len(self.view), (self.batch_size,), generator=self.generator
        )
        windows = self.view[starts]
        return windows[:, :-1], windows[:, 1:]


def read_tokens(path, block_size):
    """Returns training tokens, validation tokens and the vocabulary size."""
    text = Path(path).read_bytes().decode("utf-8")
    characters = sorted(set(text))
    ids = {character: i for i, character in enumerate(characters)}
    tokens = torch.tensor([ids[character] for character in text])
    boundary = int(0.9 * len(tokens))
    parts = tokens[:boundary], tokens[boundary:]
    if min(map(len, parts)) <= block_size:
        sys.exit(f"error: {path}: {len(tokens)} characters are too few for "
                 f"--block-size {block_size}")
    return *parts, len(characters)


def random_tokens(vocabulary, options):
    """Returns training and validation tokens drawn at random."""
    count = (options.block_size + 1) * max(8, 2 * options.batch_size)
    tokens = torch.randint(vocabulary, (count,))
    return tokens, tokens, vocabulary


def learning_rate(step, options):
    """Returns the rate of a step: linear warm-up, then a cosine."""
    if step < options.warmup_iters:
        done = (step + 1) / (options.warmup_iters + 1)
        return options.learning_rate * done
    if step >= options.lr_decay_iters:
        return options.min_lr
    span = options.lr_decay_iters - options.warmup_iters
    share = (step - options.warmup_iters) / span
    height = 0.5 * (1 + math.cos(math.pi * share))
    return options.min_lr + height * (options.learning_rate - options.min_lr)


@torch.no_grad()
def evaluate(model, parts, options):
    """Returns the mean loss over random batches of each part."""
    with autocast(options):
        return [
            statistics.fmean(
                model(*part.batch()).item() for _ in range(options.eval_iters)
            )
            for part in parts
        ]


def make_optimizer(model, options):
    """Returns AdamW; only matrices and embeddings decay."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2],
         "weight_decay": options.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2],
         "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=options.learning_rate,
        betas=(options.beta1, options.beta2), eps=1e-8, fused=True,
    )


def autocast(options):
    """Returns the context in which products are computed."""
    return torch.autocast(
        "cpu", dtype=torch.bfloat16, enabled=options.precision == "bf16"
    )


def train_step(model, optimizer, windows, step, options):
    """Makes one update and returns the loss before it."""
    inputs, targets = windows.batch()
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, options)
    with autocast(options):
        loss = model(inputs, targets)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), options.grad_clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def train(model, training, evaluation, options, report):
    """Trains, and returns the seconds of every step and the last losses."""
    optimizer = make_optimizer(model, options)
    seconds, losses = [], [None, None]
    count = options.max_iters
    if options.steps_only:
        count = options.untimed + options.steps_only
    for step in range(count):
        if not options.steps_only and step % options.eval_interval == 0:
            losses = evaluate(model, evaluation, options)
            report(f"step {step}: train {losses[0]:.4f}, "
                   f"validation {losses[1]:.4f}")
        begin = time.perf_counter()
        loss = train_step(model, optimizer, training, step, options)
        seconds.append(time.perf_counter() - begin)
        if (step + 1) % 100 == 0:
            report(f"step {step + 1}: loss {loss:.4f}, "
                   f"{1e3 * statistics.median(seconds[-100:]):.2f} ms")
    if options.steps_only:
        return seconds[options.untimed:], losses
    losses = evaluate(model, evaluation, options)
    report(f"step {count}: train {losses[0]:.4f}, validation {losses[1]:.4f}")
    return seconds, losses


def cpu_name():
    """Returns the processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def peak_bytes():
    """Returns the process's peak resident memory.

    The system's own count comes first: `ru_maxrss` still knows what the
    process held before it became this program.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def parse_options():
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", metavar="FILE", help="UTF-8 text")
    source.add_argument("--vocab-size", type=int, metavar="N",
                        help="random tokens below N; needs --steps-only")
    for name, value in {
        "block-size": 64, "batch-size": 12, "n-layer": 4, "n-head": 4,
        "n-embd": 128, "max-iters": 2000, "eval-iters": 20,
        "eval-interval": 250, "warmup-iters": 100, "lr-decay-iters": 2000,
        "seed": 1337,
    }.items():
        add(f"--{name}", type=int, default=value, metavar="N",
            help=name.replace("-", " "))
    for name, value in {
        "learning-rate": 1e-3, "min-lr": 1e-4, "beta1": 0.9, "beta2": 0.99,
        "weight-decay": 0.1, "grad-clip": 1.0,
    }.items():
        add(f"--{name}", type=float, default=value, metavar="X",
            help=name.replace("-", " "))
    add("--family", choices=MODELS, default="gpt2", help="of the model")
    for name in "n-kv-head", "n-inner":
        add(f"--{name}", type=int, metavar="N",
            help=f"{name.replace('-', ' ')} (llama); the family's own")
    add("-t", "--threads", type=int, metavar="N",
        default=torch.get_num_threads(), help="threads of PyTorch")
    add("--bias", action=argparse.BooleanOptionalAction, default=False,
        help="biases in linear layers and norms")
    add("--steps-only", type=int, metavar="N",
        help="time N steps; no evaluation")
    add("--untimed", type=int, metavar="N", default=10,
        help="steps before those that --steps-only times")
    add("--precision", choices=["fp32", "bf16"], default="fp32",
        help="of products: float32, or bfloat16 by autocast")
    add("--compile", action="store_true", help="use torch.compile")
    add("--json", action="store_true", help="print the last line only")
    options = parser.parse_args()
    if options.vocab_size and not options.steps_only:
        parser.error("--vocab-size needs --steps-only")
    return options


def main():
    """Trains as the options say and prints what was measured."""
    options = parse_options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    if options.vocab_size:
        *parts, vocabulary = random_tokens(options.vocab_size, options)
    else:
        *parts, vocabulary = read_tokens(options.data, options.block_size)
    training = Windows(parts[0], options, options.seed)
    evaluation = [Windows(part, options, options.seed + 1) for part in parts]
    model = MODELS[options.family](vocabulary, options)

    def report(line):
        if not options.json:
            print(line, flush=True)

    parameters = sum(p.numel() for p in model.parameters())
    report(f"{parameters} parameters, {vocabulary} characters, "
           f"{torch.get_num_threads()} threads")
    begin = time.perf_counter()
    if options.compile:
        model = torch.compile(model)
    seconds, losses = train(model, training, evaluation, options, report)
    elapsed = round(time.perf_counter() - begin, 4)
    tokens = len(seconds) * options.batch_size * options.block_size
    print(json.dumps({
        "framework": f"PyTorch {torch.__version__}",
        "cpu": cpu_name(),
        "threads": torch.get_num_threads(),
        "precision": options.precision,
        "compiled": options.compile,
        "parameters": parameters,
        "steps": len(seconds),
        "seconds_training": round(sum(seconds), 4),
        "seconds_with_evaluation": None if options.steps_only else elapsed,
        "median_step_ms": round(1e3 * statistics.median(seconds), 4),
        "tokens_per_second": round(tokens / sum(seconds), 1),
        "train_loss": losses[0],
        "validation_loss": losses[1],
        "peak_rss_bytes": peak_bytes(),
    }))


if __name__ == "__main__":
    main()
