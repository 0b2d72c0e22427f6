"""Makes Fuzz/Corpus: a file for each way in which a file from outside can lie, and honest ones to start from.

Run: python3 Scripts/make_fuzz_corpus.py    (no packages needed; the same files every time)

Fuzz/Corpus/TARGET/NAME is an input of a fuzz target. Fuzz/Corpus/sentences.txt has a line for each, tabs between:
  TARGET/NAME   accepted or refused by the target   what `autograd` says, or "-" where it has nothing to complain about
@ stands for the file's path and % for its folder's. The command's line must begin with the sentence.

A target's files are made by its module in Scripts/fuzz_corpus.
"""

import functools
import pathlib

from fuzz_corpus import (
    bytepair, configuration, encoding, gguf, http, index, json_text, lines, manifest, merges, openai, record, safetensors, start,
    task, text, tiktoken, tokenizer, tokens, weights,
)
from fuzz_corpus.corpus import Corpus

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Fuzz" / "Corpus"

# The order of lines in sentences.txt.
TARGETS = {
    "json": json_text,
    "safetensors": safetensors,
    "gguf": gguf,
    "config": configuration,
    "tokenizer": tokenizer,
    "bytepair": bytepair,
    "tiktoken": tiktoken,
    "merges": merges,
    "weights": weights,
    "index": index,
    "text": text,
    "tokens": tokens,
    "lines": lines,
    "task": task,
    "manifest": manifest,
    "record": record,
    "start": start,
    "encoding": encoding,
    "openai": openai,
    "http": http,
}


def main():
    corpus = Corpus(FOLDER)
    for name, module in TARGETS.items():
        module.make(functools.partial(corpus.case, name))
    corpus.write_sentences()


main()
