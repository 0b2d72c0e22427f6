#!/usr/bin/env python3
"""Writes Tests/Fixtures/adam.txt: a thousand steps of PyTorch's Adam in float64, for Tests/c/test_adam.c.

The gradient of element i in step t is (1 + i/10)·sin(0.37·t + i) + w[i]/20; that of the last element is zero. A line
is a step number and the elements after it.

    python3 Scripts/make_adam_fixture.py     (needs torch)
"""
import math
import pathlib

import torch

COUNT = 7
STEPS = 1000

w = torch.tensor([0.5 * i - 1 for i in range(COUNT)], dtype=torch.float64, requires_grad=True)
adam = torch.optim.Adam([w], lr=0.01)
lines = []
for step in range(1, STEPS + 1):
    gradient = [(1 + i / 10) * math.sin(0.37 * step + i) + w[i].item() / 20 for i in range(COUNT - 1)] + [0.0]
    w.grad = torch.tensor(gradient, dtype=torch.float64)
    adam.step()
    if step in (1, 2, 3, 10, 30, 100, 300) or step % 250 == 0:
        lines.append(" ".join([str(step)] + [repr(x) for x in w.tolist()]))
path = pathlib.Path(__file__).resolve().parent.parent / "Tests/Fixtures/adam.txt"
path.write_text("\n".join(lines) + "\n")
