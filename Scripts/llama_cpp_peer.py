"""Lets llama.cpp continue prompts and tell its logits, as JSON on standard output, for
Tests/AutogradModelsTests/LlamaCppTests.swift. Needs llama-cpp-python.

    llama_cpp_peer.py has                                whether llama-cpp-python is there
    llama_cpp_peer.py greedy FILE COUNT < [[ids], ...]   the COUNT likeliest tokens after each prompt, and of each step how
                                                         far the second is behind the first
    llama_cpp_peer.py logits FILE OUT < [[ids], ...]     writes the logits of every position into OUT, float32

The cache is F32 and flash attention off: both would be rounded otherwise.
"""

import json
import sys

import numpy as np


def has():
    import importlib.util

    return importlib.util.find_spec("llama_cpp") is not None


def load(path, count):
    from llama_cpp import GGML_TYPE_F32, Llama

    return Llama(
        path, n_ctx=count, n_batch=count, n_ubatch=count, logits_all=True, flash_attn=False, type_k=GGML_TYPE_F32,
        type_v=GGML_TYPE_F32, verbose=False, n_threads=2, n_threads_batch=2,
    )


def scores(model, tokens):
    model.reset()
    model.eval(tokens)
    return np.array(model.scores[: len(tokens)], dtype=np.float32)


def greedy(path, count):
    prompts, count = json.load(sys.stdin), int(count)
    model = load(path, max(len(prompt) for prompt in prompts) + count)
    answers = []
    for prompt in prompts:
        row, tokens, gaps = scores(model, prompt)[-1], [], []
        for _ in range(count):
            first, second = np.argsort(-row, kind="stable")[:2]
            tokens.append(int(first))
            gaps.append(float(row[first] - row[second]))
            model.eval([int(first)])
            row = np.array(model.scores[model.n_tokens - 1], dtype=np.float32)
        answers.append({"tokens": tokens, "gaps": gaps})
    return answers


def logits(path, out):
    sequences = json.load(sys.stdin)
    model = load(path, max(len(sequence) for sequence in sequences))
    with open(out, "wb") as file:
        for sequence in sequences:
            file.write(scores(model, sequence).tobytes())
    return {"vocabulary": model.n_vocab()}


print(json.dumps({"has": has, "greedy": greedy, "logits": logits}[sys.argv[1]](*sys.argv[2:])))
