#!/usr/bin/env python3
"""Makes the PyTorch reference numbers that the tests compare with.

Writes four files into Tests/Fixtures:

gpt-tiny.safetensors    weights, logits, loss and every gradient of a small
                        GPT, and 20 AdamW steps on one batch
operations.safetensors  inputs, output, cotangent u and the gradients of
                        <u, output> of single operations
decoder-operations.safetensors
                        the same of what today's decoders are made of
training.safetensors    50 steps each of an MLP, of an encoder layer with
                        padding, and of the small GPT with four optimisers
family-*.safetensors    a model of each family, as transformers makes it: its
                        config.json (metadata), weights (float32, under the
                        names of its files), logits, loss, every gradient, and
                        20 AdamW steps

Numbers are float64, but float32 below `float32/`; tokens are int64. Matrices
are stored [output, input]. Random input comes from a generator whose stream
is frozen, seeded by the name of what it is for: a case added later leaves
all others as they are. The same versions on the same CPU give the same
bytes; others may differ in the last bits. The metadata names the versions.

Names on the command line make only those files.

Needs: pip install torch numpy safetensors transformers
"""

import json
import os
import sys
from pathlib import Path

import numpy
import safetensors
import torch
from safetensors.torch import save

from fixtures import decoder_operations, families, gpt_tiny, operations, training
from fixtures.reference import SEED

FOLDER = Path(__file__).resolve().parents[1] / "Tests" / "Fixtures"


def versions(generator):
    """Returns the metadata: what made the file."""
    return {
        "format": "pt",
        "generator": f"Scripts/{generator}",
        "numpy": numpy.__version__,
        "safetensors": safetensors.__version__,
        "seed": str(SEED),
        "torch": torch.__version__,
    }


def sorted_metadata(file):
    """Returns the file's bytes with its metadata in alphabetical order.

    safetensors writes metadata in an order that differs between runs.
    """
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + file[end:]


def is_wanted(name):
    """Tells whether a file was asked for: by name, or by naming none."""
    return not sys.argv[1:] or name in sys.argv[1:]


def write(name, tensors, generator="make_fixtures.py", more=None):
    """Writes one fixture file, with more metadata where there is any, and prints its size."""
    plain = {
        key: tensor.detach().clone(memory_format=torch.contiguous_format)
        for key, tensor in tensors.items()
    }
    data = sorted_metadata(save(plain, metadata=versions(generator) | (more or {})))
    path = FOLDER / name
    path.write_bytes(data)
    print(f"{os.path.relpath(path)}: {len(plain)} tensors, {len(data)} bytes")


def main():
    """Writes all files."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    modules = {
        "gpt-tiny": gpt_tiny, "operations": operations, "decoder-operations": decoder_operations, "training": training,
    }
    for name, module in modules.items():
        if is_wanted(f"{name}.safetensors"):
            write(f"{name}.safetensors", module.tensors())
    for family in families.FAMILIES:
        if is_wanted(f"family-{family}.safetensors"):
            tensors, more = families.case(family, 0)
            write(f"family-{family}.safetensors", tensors, more=more)


if __name__ == "__main__":
    main()
