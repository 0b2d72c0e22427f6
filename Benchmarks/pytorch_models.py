"""The models of train_pytorch.py: GPT-2 and Llama, as fast as PyTorch has them.

Both give the mean loss for tokens and targets [B, T]. Queries, keys and values
come from one product, as do gate and up; attention is PyTorch's fused one.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """A pre-norm transformer block: [B, T, C] -> [B, T, C]."""

    def __init__(self, width, heads, bias):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width, bias=bias)
        self.c_attn = nn.Linear(width, 3 * width, bias=bias)
        self.attn_c_proj = nn.Linear(width, width, bias=bias)
        self.ln_2 = nn.LayerNorm(width, bias=bias)
        self.c_fc = nn.Linear(width, 4 * width, bias=bias)
        self.mlp_c_proj = nn.Linear(4 * width, width, bias=bias)

    def attention(self, x):
        """Attends causally."""
        b, t, c = x.shape
        q, k, v = (
            part.view(b, t, self.heads, c // self.heads).transpose(1, 2)
            for part in self.c_attn(x).split(c, dim=-1)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.attn_c_proj(y.transpose(1, 2).reshape(b, t, c))

    def forward(self, x):
        """Adds attention, then the feed-forward layer."""
        x = x + self.attention(self.ln_1(x))
        wide = F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh")
        return x + self.mlp_c_proj(wide)


class GPT(nn.Module):
    """GPT-2's architecture with the head tied to the token embedding."""

    def __init__(self, vocabulary, options):
        super().__init__()
        width = options.n_embd
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(options.block_size, width)
        self.h = nn.ModuleList(
            Block(width, options.n_head, options.bias)
            for _ in range(options.n_layer)
        )
        self.ln_f = nn.LayerNorm(width, bias=options.bias)
        self.initialise(options.n_layer)

    def initialise(self, layers):
        """Draws GPT-2's weights; projections into the residual are smaller."""
        for name, parameter in self.named_parameters():
            if parameter.dim() >= 2:
                residual = name.endswith("c_proj.weight")
                scale = 1 / math.sqrt(2 * layers) if residual else 1
                nn.init.normal_(parameter, std=0.02 * scale)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens, targets):
        """Returns the mean loss for tokens and targets [B, T]."""
        x = self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]
        for block in self.h:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class LlamaBlock(nn.Module):
    """Llama's block: RMS norms, rotary positions, grouped heads, SwiGLU."""

    def __init__(self, options):
        super().__init__()
        width, heads = options.n_embd, options.n_head
        self.heads, self.kv_heads = heads, options.n_kv_head or heads
        self.size = width // heads
        self.inner = options.n_inner or -(-8 * width // 96) * 32
        both = heads + 2 * self.kv_heads
        self.norm_1 = nn.RMSNorm(width, eps=1e-5)
        self.qkv = nn.Linear(width, both * self.size, bias=False)
        self.output_proj = nn.Linear(heads * self.size, width, bias=False)
        self.norm_2 = nn.RMSNorm(width, eps=1e-5)
        self.gate_up = nn.Linear(width, 2 * self.inner, bias=False)
        self.down_proj = nn.Linear(self.inner, width, bias=False)

    def attention(self, x, cosine, sine):
        """Attends causally, each key head for its group of query heads."""
        b, t, _ = x.shape
        q, k, v = (
            part.view(b, t, -1, self.size).transpose(1, 2)
            for part in self.qkv(x).split(
                [n * self.size
                 for n in (self.heads, self.kv_heads, self.kv_heads)], dim=-1)
        )
        q, k = rotated(q, cosine, sine), rotated(k, cosine, sine)
        group = self.heads // self.kv_heads
        if group > 1:
            # The fused kernel for CPUs takes one key head for each query head.
            k = k.repeat_interleave(group, dim=1)
            v = v.repeat_interleave(group, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output_proj(y.transpose(1, 2).reshape(b, t, -1))

    def forward(self, x, cosine, sine):
        """Adds attention, then the feed-forward layer."""
        x = x + self.attention(self.norm_1(x), cosine, sine)
        gate, up = self.gate_up(self.norm_2(x)).chunk(2, dim=-1)
        return x + self.down_proj(F.silu(gate) * up)


def rotated(x, cosine, sine):
    """Turns each pair (j, j + D/2) of a head by its position's angle."""
    low, high = x.chunk(2, dim=-1)
    turned = torch.cat((-high, low), dim=-1)
    return x * cosine.to(x.dtype) + turned * sine.to(x.dtype)


class Llama(nn.Module):
    """Llama's architecture; the head has a weight of its own."""

    def __init__(self, vocabulary, options):
        super().__init__()
        width, size = options.n_embd, options.n_embd // options.n_head
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(
            LlamaBlock(options) for _ in range(options.n_layer))
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.head = nn.Linear(width, vocabulary, bias=False)
        rates = 10000.0 ** (-torch.arange(0, size, 2) / size)
        angles = torch.outer(torch.arange(options.block_size), rates)
        angles = torch.cat((angles, angles), dim=-1)
        self.register_buffer("cosine", angles.cos(), persistent=False)
        self.register_buffer("sine", angles.sin(), persistent=False)
        for parameter in self.parameters():
            if parameter.dim() >= 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens, targets):
        """Returns the mean loss for tokens and targets [B, T]."""
        x = self.embedding(tokens)
        t = tokens.shape[1]
        for block in self.blocks:
            x = block(x, self.cosine[:t], self.sine[:t])
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


MODELS = {"gpt2": GPT, "llama": Llama}
