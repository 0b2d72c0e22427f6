#!/usr/bin/env python3
"""Makes the numbers of `transformers` that attention is compared with.

Writes Tests/Fixtures/attention.safetensors: of each case the operands, the
result, a cotangent u and the gradients of <u, result>, in float64. Rotation,
norm and attention are those of the families named; two of them normalise in
float32 whatever they are given, so those cases are exact to its rounding.

The first operand is [B, T, (H + 2 KV) D], queries before keys before values;
the next two are the weights of the norm of queries and of keys. Tokens are
positions.

Needs: pip install torch numpy safetensors transformers
"""

import numpy
import torch
from transformers.models.gptj import modeling_gptj as gptj
from transformers.models.mistral import modeling_mistral as mistral
from transformers.models.nanochat import modeling_nanochat as nanochat
from transformers.models.qwen3 import modeling_qwen3 as qwen3

from fixtures.reference import random_for
from make_fixtures import write

BASE = 100
EPSILON = 0.05


class Module:
    """What `eager_attention_forward` asks of a layer."""

    training = False

    def __init__(self, groups):
        self.num_key_value_groups = groups


def angles(positions, rotated):
    """Returns cosines and sines [B, T, rotated / 2]."""
    steps = torch.arange(0, rotated, 2, dtype=torch.float64) / rotated
    table = positions[..., None].double() * BASE ** -steps
    return table.cos(), table.sin()


def mask(positions, window):
    """Returns 0 where a query sees a key, −∞ elsewhere: [B, 1, T, T]."""
    T = positions.shape[1]
    begins = positions == 0
    begins[:, 0] = True
    document = begins.long().cumsum(1)
    i, j = torch.arange(T)[:, None], torch.arange(T)[None]
    seen = (j <= i) & (j > i - window)
    seen = seen[None] & (document[:, :, None] == document[:, None])
    zeros = torch.zeros(seen.shape, dtype=torch.float64)
    return zeros.masked_fill(~seen, float("-inf"))[:, None]


def attend(family, x, weights, H, KV, D, positions, rotated, window):
    """Returns [B, T, H D] as a family's attention computes it."""
    B, T = x.shape[:2]
    heads = x.view(B, T, H + 2 * KV, D)
    q, k, v = heads.split([H, KV, KV], 2)
    if family is qwen3:
        norms = [qwen3.Qwen3RMSNorm(D, EPSILON) for _ in weights]
        for norm, weight in zip(norms, weights):
            del norm.weight
            norm.weight = weight
        q, k = norms[0](q), norms[1](k)
    cos, sin = angles(positions, rotated)
    if family is gptj:
        turn = gptj.apply_rotary_pos_emb
        q, k = (
            torch.cat([turn(y[..., :rotated], sin, cos), y[..., rotated:]], -1)
            for y in (q, k)
        )
    else:
        cos, sin = torch.cat([cos, cos], -1), torch.cat([sin, sin], -1)
        q, k = family.apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=2)
    if family is nanochat:
        norm = nanochat.NanoChatRMSNorm(EPSILON)
        q, k = norm(q), norm(k)
    q, k, v = (y.transpose(1, 2) for y in (q, k, v))
    # The family's softmax is in float32 whatever it is given: here the same in
    # float64.
    scores = q @ mistral.repeat_kv(k, H // KV).transpose(2, 3) * D ** -0.5
    shares = torch.softmax(scores + mask(positions, window), -1)
    result = shares @ mistral.repeat_kv(v, H // KV)
    rough = mistral.eager_attention_forward(
        Module(H // KV), q, k, v, mask(positions, window), D ** -0.5
    )[0]
    assert torch.allclose(rough.transpose(1, 2), result, atol=1e-5)
    return result.transpose(1, 2).reshape(B, T, H * D)


def case(tensors, name, family, H, KV, D, T, rotated, window=1 << 30,
         documents=None, weights=0):
    """Adds a case to the tensors."""
    random = random_for(f"attention {name}")

    def normal(*shape):
        return torch.from_numpy(numpy.array(random.standard_normal(shape)))

    x = normal(2, T, (H + 2 * KV) * D).requires_grad_()
    scales = [(1 + 0.3 * normal(D)).requires_grad_() for _ in range(weights)]
    positions = torch.arange(T)[None].repeat(2, 1)
    if documents:
        places = [i for length in documents for i in range(length)]
        positions = torch.tensor(places[: 2 * T]).view(2, T)
    y = attend(family, x, scales, H, KV, D, positions, rotated, window)
    u = normal(*y.shape)
    gradients = torch.autograd.grad(y, [x, *scales], u)
    for i, (value, gradient) in enumerate(zip([x, *scales], gradients)):
        tensors[f"{name}/input{i}"] = value
        tensors[f"{name}/gradient{i}"] = gradient
    tensors[f"{name}/output"], tensors[f"{name}/cotangent"] = y, u
    if documents:
        tensors[f"{name}/positions"] = positions


def main():
    """Writes the file."""
    torch.set_num_threads(1)
    tensors = {}
    case(tensors, "gptj", gptj, 2, 2, 8, 6, rotated=4)
    case(tensors, "mistral", mistral, 4, 2, 6, 11, rotated=6, window=3)
    case(tensors, "documents", mistral, 2, 1, 4, 8, rotated=4,
         documents=[5, 3, 1, 7])
    case(tensors, "qwen3", qwen3, 4, 2, 6, 7, rotated=6, weights=2)
    case(tensors, "nanochat", nanochat, 4, 2, 6, 7, rotated=6)
    write("attention.safetensors", tensors, "make_attention_fixture.py")


if __name__ == "__main__":
    main()
