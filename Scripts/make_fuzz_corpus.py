"""Makes Fuzz/Corpus: a file for each way in which a file from outside can lie, and honest ones to start from.

Run: python3 Scripts/make_fuzz_corpus.py    (no packages needed; the same files every time)

Fuzz/Corpus/TARGET/NAME is an input of a fuzz target. Fuzz/Corpus/sentences.txt has a line for each, tabs between:
  TARGET/NAME   accepted or refused by the target   what `autograd` says, or "-" where it has nothing to complain about
@ stands for the file's path and % for its folder's. The command's line must begin with the sentence.
"""

import json
import pathlib
import shutil
import struct

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "Fuzz" / "Corpus"
lines = []


def case(target, name, content, sentence=None, accepted=None):
    """A file; without a sentence an honest one. Some honest files do not suit the command: they are accepted, too."""
    if isinstance(content, str):
        content = content.encode()
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    assert not (folder / name).exists(), name
    (folder / name).write_bytes(content)
    accepted = sentence is None if accepted is None else accepted
    lines.append(f"{target}/{name}\t{'accepted' if accepted else 'refused'}\t{sentence or '-'}")


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# MARK: JSON. The command reads each as a config.json.


def make_json():
    def refused(name, content, sentence):
        case("json", name, content, "@: JSON " + sentence)

    def honest(name, content):
        case("json", name, content, '@: the key "vocab_size" is missing', accepted=True)

    refused("empty", b"", "ends at byte 0 inside a value")
    refused("spaces", "  \n", "ends at byte 3 inside a value")
    refused("byte-order-mark", "\ufeff{}", "starts with a byte order mark")
    refused("utf-16", "{}".encode("utf-16"), "has 0xFF at byte 0 where a value should stand")
    refused("trailing-value", "{} {}", "is complete before byte 3, but more follows")
    refused("trailing-zero-byte", b"{}\0", "is complete before byte 2, but more follows")
    refused("cut-object", '{"a"', "ends at byte 4 inside a value")
    refused("cut-string", '{"a', "ends at byte 3 inside a value")
    refused("cut-escape", '{"\\u12', "ends at byte 6 inside a value")
    refused("cut-word", "tru", "ends at byte 3 inside a value")
    refused("cut-number", "[1e+", "ends at byte 4 inside a value")
    refused("trailing-comma", '{"a":1,}', "has '}' at byte 7 where a key in double quotes should stand")
    refused("no-colon", '{"a" 1}', "has '1' at byte 5 where ':' should stand")
    refused("wrong-bracket", '{"a":1]', "has ']' at byte 6 where ',' or '}' should stand")
    refused("single-quotes", "{'a':1}", "has ''' at byte 1 where a key in double quotes should stand")
    refused("comment", "/**/{}", "has '/' at byte 0 where a value should stand")
    refused("not-a-number", '{"a":NaN}', "has 'N' at byte 5 where a value should stand")
    refused("infinity", '{"a":-Infinity}', "has 'I' at byte 6 where a digit should stand")
    refused("plus", "[+1]", "has '+' at byte 1 where a value should stand")
    refused("leading-zero", "[-007]", "has a number with a leading zero at byte 1")
    refused("huge-exponent", "[1e999]", "has a number at byte 1 that no 64-bit float holds")
    refused("over-1000-digits", "[0." + "1" * 1000 + "]", "has a number at byte 1 that no 64-bit float holds, or of")
    refused("duplicate-key", '{"a":1,"b":2,"a":3}', 'has the key "a" twice in one object, again at byte 13')
    refused("duplicate-escaped-key", '{"a":1,"\\u0061":3}', 'has the key "a" twice in one object, again at byte 7')
    refused("duplicate-ninth-key", "{" + ",".join(f'"{k}":0' for k in "abcdefghia") + "}", 'has the key "a" twice')
    refused("key-of-control-characters", '{"\\u001b[2J":1,"\\u001b[2J":1}', 'has the key "\\u{1B}[2J" twice')
    refused("arrays-65-deep", "[" * 65 + "]" * 65, "is nested deeper than 64 levels at byte 64")
    refused("objects-65-deep", '{"a":' * 65 + "0" + "}" * 65, "is nested deeper than 64 levels at byte 320")
    refused("brackets-only", "[" * 4000, "is nested deeper than 64 levels at byte 64")
    refused("line-feed-in-string", '["a\nb"]', "has the control character 0x0A inside a string at byte 3")
    refused("zero-byte-in-string", b'["\0"]', "has the control character 0x00 inside a string at byte 2")
    refused("unknown-escape", '["\\x41"]', "has an unknown escape at byte 2")
    refused("escape-of-wrong-digits", '["\\u12g4"]', "has an unknown escape at byte 2")
    refused("lone-high-surrogate", '["a\\ud800"]', "escapes half of a surrogate pair at byte 3")
    refused("lone-low-surrogate", '["\\udc00"]', "escapes half of a surrogate pair at byte 2")
    refused("two-high-surrogates", '["\\ud800\\ud800"]', "escapes half of a surrogate pair at byte 2")
    for name, content in [
        ("continuation-byte", b"\x80"),
        ("overlong-zero", b"\xc0\x80"),
        ("overlong-slash", b"\xe0\x80\xaf"),
        ("encoded-surrogate", b"\xed\xa0\x80"),
        ("beyond-unicode", b"\xf4\x90\x80\x80"),
        ("cut-character", b"\xf0\x9f\x98"),
    ]:
        refused("utf-8-" + name, b'["' + content + b'"]', "has bytes that are not UTF-8 at byte 2")

    honest(
        "every-kind",
        '{"a":[1,-2.5e-3,"x\\u00e9\\ud83d\\ude00\\n/"],"b":{"c":null,"d":[true,false]},"e":"","f":[],"g":{}}',
    )
    honest("equivalent-keys", '{"\u00e9":1,"e\u0301":2}')
    honest("arrays-64-deep", "[" * 64 + "]" * 64)
    honest("beyond-64-bits", "[123456789012345678901234567890,-9223372036854775809,9223372036854775807]")
    honest("smallest-double", "[5e-324,1e-999,2.2250738585072014e-308,-0,-0.0]")
    honest("long-escaped-string", '["' + "\\u0000" * 100 + '\\\\\\"' * 50 + '"]')


# MARK: safetensors. The command inspects each.


def frame(header, data=b"", length=None):
    header = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def tensor(name, dtype="F32", shape="[1]", offsets="[0,4]"):
    return f'"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}'


def one(*arguments, size=4):
    return frame("{" + tensor("a", *arguments) + "}", bytes(size))


def make_safetensors():
    def refused(name, content, sentence):
        case("safetensors", name, content, "@: safetensors: " + sentence)

    def honest(name, content):
        case("safetensors", name, content)

    # The frame.
    refused("empty", b"", "the file has 0 bytes, but 8 say how long its header is")
    refused("seven-bytes", struct.pack("<Q", 2)[:7], "the file has 7 bytes, but 8 say how long its header is")
    refused("header-of-0", frame(""), "the header has length 0")
    refused(
        "header-over-the-limit", frame("{}", length=100_000_001), "the header claims 100000001 bytes, more than the"
    )
    refused(
        "header-of-all-ones", frame("{}", length=2**64 - 1), "the header claims 18446744073709551615 bytes, more than"
    )
    refused(
        "header-negative", frame("{}", length=2**63), "the header claims 9223372036854775808 bytes, more than the"
    )
    refused("header-beyond-file", frame("{}", length=3), "the header claims 3 bytes, but the file has 10")
    refused("header-of-space", frame(" {}"), "the header starts with byte 32 instead of '{'")
    refused("header-of-array", frame("[]"), "the header starts with byte 91 instead of '{'")
    refused("header-with-byte-order-mark", frame("\ufeff{}"), "the header starts with byte 239 instead of '{'")
    refused("header-cut", frame("{"), "the header cannot be read: JSON ends at byte 1")
    refused(
        "header-not-utf-8",
        frame(b'{"\xff":1}'),
        "the header cannot be read: JSON has bytes that are not UTF-8 at byte 2",
    )
    refused(
        "header-with-more",
        frame("{}x"),
        "the header cannot be read: JSON is complete before byte 2, but more follows",
    )
    refused("header-with-zero-byte", frame(b"{}\0"), "the header cannot be read: JSON is complete before byte 2")
    refused(
        "nesting",
        frame('{"a":' + "[" * 2000),
        "the header cannot be read: JSON is nested deeper than 8 levels at byte 12",
    )
    refused(
        "huge-number", one("F32", "[1e999]"), "the header cannot be read: JSON has a number at byte 29 that no 64-bit"
    )
    # Names and metadata.
    refused(
        "duplicate-name", frame("{" + tensor("a") + "," + tensor("a") + "}", bytes(4)), 'the name "a" stands twice'
    )
    refused(
        "duplicate-escaped-name",
        frame("{" + tensor("a") + "," + tensor("\\u0061") + "}", bytes(4)),
        'the name "a" stands twice',
    )
    refused("duplicate-field", frame('{"a":{"dtype":"F32","dtype":"F32"}}'), 'the name "dtype" stands twice')
    refused(
        "duplicate-metadata", frame('{"__metadata__":{},"__metadata__":{}}'), 'the name "__metadata__" stands twice'
    )
    refused(
        "metadata-not-strings",
        frame('{"__metadata__":{"a":"b","step":1}}'),
        '__metadata__ must hold strings only, "step" is none',
    )
    refused(
        "metadata-not-object", frame('{"__metadata__":["a"]}'), "__metadata__ must hold strings only and be an object"
    )
    # Fields.
    refused("entry-not-object", frame('{"a":7}'), 'tensor "a" has no valid "dtype"')
    refused("dtype-not-string", frame('{"a":{"dtype":32}}'), 'tensor "a" has no valid "dtype"')
    refused("dtype-unknown", one("F31"), 'tensor "a" has the unknown type "F31"')
    refused("dtype-lower-case", one("f32"), 'tensor "a" has the unknown type "f32"')
    refused("dtype-of-control-characters", one("\\u001b[2J"), 'tensor "a" has the unknown type "\\u{1B}[2J"')
    refused("shape-missing", frame('{"a":{"dtype":"F32"}}'), 'tensor "a" has no valid "shape"')
    refused("shape-not-array", one("F32", "4"), 'tensor "a" has no valid "shape"')
    refused(
        "shape-of-17-axes", one("F32", "[" + ",".join("1" * 17) + "]"), 'tensor "a" has 17 axes, more than the 16'
    )
    refused("dimension-negative", one("F32", "[1,-1]"), 'tensor "a": axis 1 of its shape is no integer of 0 or more')
    refused("dimension-fractional", one("F32", "[1.0]"), 'tensor "a": axis 0 of its shape is no integer of 0 or more')
    refused("dimension-string", one("F32", '["1"]'), 'tensor "a": axis 0 of its shape is no integer of 0 or more')
    refused(
        "dimension-beyond-64-bits",
        one("F32", "[9223372036854775808]"),
        'tensor "a": axis 0 of its shape is no integer',
    )
    refused(
        "shape-overflows-in-bytes",
        one("F32", "[4611686018427387904]"),
        'tensor "a" of shape [4611686018427387904] has',
    )
    refused(
        "shape-overflows",
        one("U8", "[4294967296,4294967296]", "[0,0]", size=0),
        'tensor "a" of shape [4294967296, 4294967296] has more bytes than can be counted',
    )
    refused(
        "shape-overflows-before-0",
        one("U8", "[4294967296,4294967296,0]", "[0,0]", size=0),
        'tensor "a" of shape [4294967296, 4294967296, 0] has more bytes than can be counted',
    )
    refused("offsets-missing", frame('{"a":{"dtype":"F32","shape":[]}}'), 'tensor "a" has no valid "data_offsets"')
    for name, offsets in [
        ("one", "[0]"),
        ("three", "[0,4,8]"),
        ("negative", "[-4,0]"),
        ("fractional", "[0,4.0]"),
        ("beyond-64-bits", "[0,18446744073709551615]"),
    ]:
        refused(
            "offsets-" + name,
            one("F32", "[1]", offsets),
            'tensor "a": data_offsets must be two integers of 0 or more',
        )
    # Ranges.
    refused("range-reversed", one("F32", "[1]", "[4,0]"), 'tensor "a" begins at 4 and ends before that, at 0')
    refused("range-beyond-file", one("F32", "[2]", "[0,8]"), 'tensor "a" ends at 8, but the data has 4 bytes')
    refused(
        "range-at-the-largest-integer",
        one("F32", "[1]", "[9223372036854775803,9223372036854775807]"),
        'tensor "a" ends at 9223372036854775807, but the data has 4 bytes',
    )
    refused(
        "range-longer-than-shape",
        one("F32", "[1]", "[0,8]", size=8),
        'tensor "a" needs 4 bytes by type and shape, but has 8',
    )
    refused(
        "range-of-nothing", one("F32", "[]", "[0,0]", size=0), 'tensor "a" needs 4 bytes by type and shape, but has 0'
    )
    refused(
        "ranges-overlap",
        frame("{" + tensor("a", "F32", "[2]", "[0,8]") + "," + tensor("b", "F32", "[1]", "[4,8]") + "}", bytes(8)),
        'tensors "a" and "b" share bytes',
    )
    refused(
        "ranges-equal",
        frame("{" + tensor("a") + "," + tensor("b") + "}", bytes(4)),
        'tensors "a" and "b" share bytes',
    )
    refused(
        "gap",
        frame("{" + tensor("b", "F32", "[1]", "[8,12]") + "," + tensor("a") + "}", bytes(12)),
        '4 bytes before tensor "b" belong to none',
    )
    refused("gap-at-the-start", one("F32", "[1]", "[4,8]", size=8), '4 bytes before tensor "a" belong to none')
    refused("trailing-byte", one(size=5), "1 bytes after the last tensor belong to none")
    refused("data-without-tensors", frame("{}", bytes(1)), "1 bytes after the last tensor belong to none")

    honest("no-tensors", frame("{}   "))
    honest(
        "equivalent-names",
        frame("{" + tensor("\u00e9") + "," + tensor("e\u0301", "F32", "[1]", "[4,8]") + "}", bytes(8)),
    )
    honest(
        "control-characters",
        frame('{"__metadata__":{"a\\u001b[2J":"b\\nc"},' + tensor("\\u001b]0;x\\u0007\\n") + "}", bytes(4)),
    )
    honest("reordered", frame("{" + tensor("b", "F32", "[1]", "[4,8]") + "," + tensor("a") + "}", bytes(8)))
    honest(
        "empty-tensors",
        frame(
            "{"
            + ",".join([tensor("a"), tensor("e", "F32", "[0]", "[4,4]"), tensor("z", "F32", "[3,0]", "[0,0]")])
            + "}",
            bytes(4),
        ),
    )
    types, position = [], 0
    for dtype, size in [
        ("F64", 8),
        ("F32", 4),
        ("F16", 2),
        ("BF16", 2),
        ("I64", 8),
        ("I32", 4),
        ("I16", 2),
        ("I8", 1),
        ("U64", 8),
        ("U32", 4),
        ("U16", 2),
        ("U8", 1),
        ("BOOL", 1),
        ("C64", 8),
        ("F8_E4M3", 1),
    ]:
        types.append(tensor(dtype, dtype, "[2,1]", f"[{position},{position + 2 * size}]"))
        position += 2 * size
    honest("every-type", frame('{"__metadata__":{"format":"pt"},' + ",".join(types) + "}", bytes(range(position))))


# MARK: A small model. Each of its files is replaced by lies, the others stay.

CONFIGURATION = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "vocab_size": 3,
    "n_positions": 2,
    "n_ctx": 2,
    "n_embd": 2,
    "n_layer": 1,
    "n_head": 1,
    "n_inner": None,
    "activation_function": "gelu_new",
    "resid_pdrop": 0.0,
    "layer_norm_epsilon": 1e-5,
    "tie_word_embeddings": True,
    "bias": True,
}


def make_configurations():
    def changed(**changes):
        return compact({key: value for key, value in (CONFIGURATION | changes).items() if value != "absent"})

    def refused(name, sentence, accepted=False, **changes):
        case("config", name, changed(**changes), sentence, accepted)

    case("config", "base", json.dumps(CONFIGURATION, indent=2))
    case(
        "config",
        "smallest",
        changed(
            architectures="absent",
            model_type="absent",
            activation_function="absent",
            n_ctx="absent",
            n_inner="absent",
            resid_pdrop="absent",
            layer_norm_epsilon="absent",
            tie_word_embeddings="absent",
            bias="absent",
        ),
    )
    case("config", "n-ctx-only", changed(n_positions="absent"))
    case("config", "not-an-object", "[]", '@: the key "vocab_size" is missing')
    refused("another-model", '@: model_type is "llama"; this version opens "gpt2"', model_type="llama")
    refused("model-of-control-characters", '@: model_type is "\\u{1B}[2J"; this version', model_type="\x1b[2J")
    refused("model-not-string", '@: "model_type" must be a string', model_type=2)
    refused(
        "another-activation",
        '@: activation_function is "relu"; this version has "gelu_new"',
        activation_function="relu",
    )
    for key in ["vocab_size", "n_layer", "n_head", "n_embd"]:
        refused(f"{key}-missing", f'@: the key "{key}" is missing', **{key: "absent"})
    refused("size-fractional", '@: "n_layer" must be a whole number', n_layer=1.5)
    refused("size-string", '@: "n_layer" must be a whole number', n_layer="1")
    refused("size-null", '@: "n_layer" must be a whole number', n_layer=None)
    refused("size-0", "@: the number of layers must lie between 1 and 16777216, got 0", n_layer=0)
    refused("size-negative", "@: the number of channels must lie between 1 and 16777216, got -2", n_embd=-2)
    refused("size-beyond-64-bits", '@: "n_embd" must be a whole number', n_embd=2**63)
    refused(
        "size-largest",
        f"@: the number of channels must lie between 1 and 16777216, got {2**63 - 1}",
        n_embd=2**63 - 1,
    )
    refused(
        "size-smallest", f"@: the number of channels must lie between 1 and 16777216, got {-2**63}", n_embd=-(2**63)
    )
    refused(
        "context-largest",
        f"@: the block size must lie between 1 and 16777216, got {2**63 - 1}",
        n_positions=2**63 - 1,
    )
    refused("heads-do-not-divide", "@: 2 channels do not divide into 3 heads", n_head=3)
    refused("too-wide", "@: the model is too large for any memory", n_embd=1 << 24)
    refused("too-many-words", "@: the model is too large for any memory", vocab_size=1 << 24, n_embd=1 << 17)
    refused("too-long", "@: the model is too large for any memory", n_positions=1 << 24, n_embd=1 << 17)
    refused("too-deep", "@: the model is too large for any memory", n_layer=1 << 17)
    refused("inner-too-wide", "@: the model is too large for any memory", n_inner=1 << 24, n_embd=1 << 17)
    refused("inner-0", '@: "n_inner" must be null or a whole number from 1', n_inner=0)
    refused("inner-huge", '@: "n_inner" must be null or a whole number from 1', n_inner=2**62)
    refused("inner-fractional", '@: "n_inner" must be null or a whole number from 1', n_inner=8.5)
    refused("dropout-1", "@: dropout must lie between 0 and 1, got 1.0", resid_pdrop=1.0)
    refused("dropout-string", '@: "resid_pdrop" must be a number', resid_pdrop="0")
    refused("epsilon-negative", '@: "layer_norm_epsilon" must be a number from 0 to 1', layer_norm_epsilon=-1e-5)
    refused("epsilon-huge", '@: "layer_norm_epsilon" must be a number from 0 to 1', layer_norm_epsilon=1e300)
    refused("bias-not-boolean", '@: "bias" must be true or false', bias=1)
    refused("tie-not-boolean", '@: "tie_word_embeddings" must be true or false', tie_word_embeddings="yes")
    case(
        "config", "duplicate-key", compact(CONFIGURATION)[:-1] + ',"n_embd":4}', '@: JSON has the key "n_embd" twice'
    )
    # A configuration that may well be honest, with weights that are not its own.
    far = "%/model.safetensors: the weights do not fit config.json: config.json describes a model many times the size of"
    refused("not-of-the-weights-by-layers", far, accepted=True, n_layer=1 << 16)
    refused("not-of-the-weights-by-channels", far, accepted=True, n_embd=1 << 19)
    refused("not-of-the-weights-by-words", far, accepted=True, vocab_size=1 << 24)
    refused(
        "not-of-the-weights",
        "%/model.safetensors: the weights do not fit config.json: transformer.wte.weight has shape [3, 2], "
        "expected [4, 2]",
        accepted=True,
        vocab_size=4,
    )


def byte_level(text):
    """GPT-2's printable spelling of bytes."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in own]
    spelling = {byte: chr(byte) for byte in own} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return "".join(spelling[byte] for byte in text)


def vocabulary(text):
    """Tokens and merges of a character vocabulary: characters, then the pieces that build them."""
    characters = [character.encode() for character in sorted(set(text))]
    pieces = set()
    for character in characters:
        if len(character) > 1:
            pieces |= {bytes([byte]) for byte in character} | {character[:n] for n in range(1, len(character))}
    tokens = characters + sorted(pieces, key=lambda piece: (len(piece), piece))
    merges = [
        [byte_level(t[:-1]), byte_level(t[-1:])] for t in sorted(tokens, key=lambda t: (len(t), t)) if len(t) > 1
    ]
    return {byte_level(token): number for number, token in enumerate(tokens)}, merges


def tokenizer(text="abc", vocab=None, merges=None, model=None, **changes):
    words, joins = vocabulary(text)
    level = {"type": "ByteLevel", "add_prefix_space": False}
    inner = {"type": "BPE", "vocab": vocab or words, "merges": joins if merges is None else merges} | (model or {})
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": level,
        "decoder": level,
        "model": inner,
    } | changes


def make_tokenizers():
    def refused(name, file, sentence, accepted=False, form=compact):
        case("tokenizer", name, form(file), sentence, accepted)

    def foreign(name, file, reason, form=compact):
        refused(name, file, "@: the tokenizer file holds no character vocabulary: " + reason, form=form)

    case("tokenizer", "base", json.dumps(tokenizer(), indent=2))
    case(
        "tokenizer",
        "fewer-words-than-the-model",
        compact(tokenizer("ab")),
        "the character 'c' (U+0063) at position 2",
        accepted=True,
    )
    more = "@: it has {} tokens, but the model's vocabulary has 3; take the one saved with the model"
    refused("more-words-than-the-model", tokenizer("abcd"), more.format(4), accepted=True)
    refused("characters-of-many-bytes", tokenizer("a\u00e9\u4e2d\U0001f600"), more.format(16), accepted=True)
    pairs = tokenizer("\u00e9")
    pairs["model"]["merges"] = [" ".join(pair) for pair in pairs["model"]["merges"]]
    case("tokenizer", "merges-as-strings", compact(pairs), "the character 'a' (U+0061) at position 0", accepted=True)
    broken = "@: the tokenizer file cannot be read: JSON "
    case("tokenizer", "empty", "", broken + "ends at byte 0")
    case("tokenizer", "cut", compact(tokenizer())[:-9], broken + "ends at byte")
    case("tokenizer", "byte-order-mark", "\ufeff" + compact(tokenizer()), broken + "starts with a byte order mark")
    case("tokenizer", "nesting", '{"model":' + "[" * 2000, broken + "is nested deeper than 64 levels")
    case(
        "tokenizer",
        "duplicate-token",
        compact(tokenizer()).replace('"c":2', '"a":2'),
        broken + 'has the key "a" twice',
    )
    foreign("not-an-object", [], "its model type is not BPE")
    foreign("another-model", tokenizer(model={"type": "Unigram"}), "its model type is not BPE")
    foreign("added-tokens", tokenizer(added_tokens=[{"id": 3, "content": "<s>"}]), "it has added tokens")
    foreign("normalizer", tokenizer(normalizer={"type": "NFC"}), "it has a normalizer")
    foreign("no-pre-tokenizer", tokenizer(pre_tokenizer=None), "its pre_tokenizer is not ByteLevel")
    foreign(
        "space-in-front", tokenizer(pre_tokenizer={"type": "ByteLevel"}), "its pre_tokenizer adds a space in front"
    )
    foreign("no-decoder", tokenizer(decoder={"type": "Metaspace"}), "its decoder is not ByteLevel")
    foreign("template", tokenizer(post_processor={"type": "TemplateProcessing"}), "its post_processor may add tokens")
    foreign("unknown-token", tokenizer(model={"unk_token": "a"}), "its model sets unk_token")
    foreign("dropout", tokenizer(model={"dropout": 0.1}), "its model sets dropout")
    foreign("vocabulary-missing", tokenizer(model={"vocab": None}), "it has no model with a vocab")
    foreign("vocabulary-not-object", tokenizer(model={"vocab": ["a"]}), "it has no model with a vocab")
    foreign("vocabulary-empty", tokenizer(model={"vocab": {}}), "token 0 is not a character")
    for name, identifier in [
        ("twice", 1),
        ("beyond", 3),
        ("negative", -1),
        ("fractional", 0.5),
        ("huge", 2**63),
        ("string", "0"),
    ]:
        foreign(
            "id-" + name,
            tokenizer(vocab={"b": 1, "c": 2, "a": identifier}),
            'the id of "a" is taken, or not in 0..<3',
        )
    foreign(
        "not-byte-level", tokenizer(vocab={"a": 0, "\u4e2d": 1}), 'the token "\u4e2d" is not in byte-level spelling'
    )
    foreign(
        "control-characters", tokenizer(vocab={"a": 0, "\x1b[2J": 1}), 'the token "\\u{1B}[2J" is not in byte-level'
    )
    foreign("word", tokenizer(vocab={"a": 0, "bc": 1}), 'token 1, "bc", is neither a character nor a piece of one')
    foreign("empty-token", tokenizer(vocab={"a": 0, "": 1}), 'token 1, "", is neither a character nor a piece of one')
    foreign("unordered", tokenizer(vocab={"b": 0, "a": 1}), "its characters are not ordered by code point")
    words, merges = vocabulary("\u00e9")
    foreign(
        "piece-missing",
        tokenizer(vocab=dict(list(words.items())[:-1]), merges=merges),
        "it has 2 tokens where its characters need 3",
    )
    foreign("piece-of-nothing", tokenizer(vocab=words | {"\u00c4": 3}, merges=merges), "token 3, ")
    foreign("merge-missing", tokenizer("\u00e9", merges=[]), "1 merges that build characters are missing")
    foreign(
        "merge-twice",
        tokenizer("\u00e9", merges=merges * 2),
        'the merge "\u00c3 \u00a9" does not build a character, or stands',
    )
    foreign("merge-of-nothing", tokenizer(merges=[["a", "b"]]), 'the merge "a b" does not build a character')
    foreign("merge-of-three", tokenizer(merges=[["a", "b", "c"]]), "a merge is not a pair of strings")
    foreign("merge-of-numbers", tokenizer(merges=[[1, 2]]), "a merge is not a pair of strings")
    # Composed and decomposed spellings are different keys: the file has another id for each.
    foreign(
        "equivalent-tokens",
        tokenizer(vocab={"\u00e9": 0, "e\u0301": 1}),
        'the token "e\u0301" is not in byte-level spelling',
    )


# MARK: Weights of the small model.

SHAPES = {
    "wte.weight": [3, 2],
    "wpe.weight": [2, 2],
    "h.0.ln_1.weight": [2],
    "h.0.ln_1.bias": [2],
    "h.0.attn.c_attn.weight": [2, 6],
    "h.0.attn.c_attn.bias": [6],
    "h.0.attn.c_proj.weight": [2, 2],
    "h.0.attn.c_proj.bias": [2],
    "h.0.ln_2.weight": [2],
    "h.0.ln_2.bias": [2],
    "h.0.mlp.c_fc.weight": [2, 8],
    "h.0.mlp.c_fc.bias": [8],
    "h.0.mlp.c_proj.weight": [8, 2],
    "h.0.mlp.c_proj.bias": [2],
    "ln_f.weight": [2],
    "ln_f.bias": [2],
}


def weights(prefix="transformer.", dtype="F32", change=None, value=None):
    """The file; `change` may take, add or replace tensors, each (type, shape, data); `value` is the first number."""

    def pack(number):
        if dtype == "BF16":
            return struct.pack("<f", number)[2:]
        return struct.pack({"F32": "<f", "F16": "<e", "F64": "<d"}[dtype], number)

    tensors, count = {}, 0
    for name, shape in SHAPES.items():
        size = shape[0] * (shape[1] if len(shape) > 1 else 1)
        numbers = [((count + i) * 37 % 19 - 9) / 16 for i in range(size)]
        if count == 0 and value is not None:
            numbers[1] = value
        count += size
        tensors[prefix + name] = (dtype, shape, b"".join(pack(number) for number in numbers))
    if change:
        change(tensors)
    header, data = {}, b""
    for name, (kind, shape, content) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    return frame(compact(header), data)


def make_weights():
    def refused(name, content, problem):
        case("weights", name, content, "@: the weights do not fit config.json: " + problem)

    case("weights", "base", weights())
    case("weights", "without-prefix", weights(prefix=""))
    case("weights", "float64", weights(dtype="F64"))
    case("weights", "float16", weights(dtype="F16"))
    case("weights", "bfloat16", weights(dtype="BF16"))
    case(
        "weights",
        "with-masks",
        weights(
            change=lambda t: t.update(
                {
                    "transformer.h.0.attn.bias": ("BOOL", [1, 1, 2, 2], bytes(4)),
                    "lm_head.weight": t["transformer.wte.weight"],
                }
            )
        ),
    )
    refused("tensor-missing", weights(change=lambda t: t.pop("transformer.ln_f.bias")), "ln_f.bias is missing")
    refused("all-missing", frame("{}"), "wte.weight is missing; wpe.weight is missing; h.0.ln_1.weight is missing; ")
    refused("tensor-unexpected", weights(change=lambda t: t.update({"x": ("U8", [0], b"")})), '"x" is unexpected')
    refused(
        "unexpected-with-control-characters",
        weights(change=lambda t: t.update({"\x1b[2J": ("U8", [0], b"")})),
        '"\\u{1B}[2J" is unexpected',
    )
    refused(
        "with-and-without-prefix",
        weights(change=lambda t: t.update({"ln_f.bias": t["transformer.ln_f.bias"]})),
        '"ln_f.bias" is unexpected',
    )
    refused(
        "shape-transposed",
        weights(change=lambda t: t.update({"transformer.wte.weight": ("F32", [2, 3], bytes(24))})),
        "transformer.wte.weight has shape [2, 3], expected [3, 2]",
    )
    refused(
        "integers",
        weights(change=lambda t: t.update({"transformer.wte.weight": ("I32", [3, 2], bytes(24))})),
        "transformer.wte.weight is I32, expected real numbers",
    )
    refused("not-a-number", weights(value=float("nan")), "wte.weight holds nan at index 1")
    refused("infinity", weights(value=float("-inf")), "wte.weight holds -inf at index 1")
    case(
        "weights",
        "cut",
        weights()[:-1],
        '@: safetensors: tensor "transformer.ln_f.bias" ends at 352, but the data has 351',
    )
    case("weights", "empty", b"", "@: safetensors: the file has 0 bytes")


# MARK: Texts, evaluated by the small model, which knows a, b and c and sees two characters.


def make_texts():
    def refused(name, content, offset):
        case("text", name, content, f"@ is not UTF-8 at byte {offset} (counted from 0); convert it to UTF-8")

    def unknown(name, content, character, position):
        case("text", name, content, f"the character {character} at position {position} ", accepted=True)

    case("text", "empty", b"", "@ is empty; name a file with text in it")
    case(
        "text",
        "one-byte",
        "a",
        "the validation part has 1 tokens, but one window of block size 1 takes 1 + 1",
        accepted=True,
    )
    case("text", "two-bytes", "ab")
    case("text", "one-window-and-one", "abc")
    case("text", "many-windows", "abcacb" * 30)
    refused("byte-255", b"ab\xff", 2)
    refused("continuation-byte", b"a\x80", 1)
    refused("overlong-zero", b"\xc0\x80", 0)
    refused("overlong-slash", b"abc\xe0\x80\xaf", 3)
    refused("encoded-surrogate", b"\xed\xa0\x80", 0)
    refused("beyond-unicode", b"a\xf4\x90\x80\x80", 1)
    refused("cut-character", "ab\U0001f600".encode()[:-1], 2)
    refused("utf-16", "ab".encode("utf-16"), 0)
    unknown("zero-byte", "a\0", "U+0000", 1)
    unknown("byte-order-mark", "\ufeffabc", "U+FEFF", 0)
    unknown("line-ends", "ab\r\n", "U+000D", 2)
    unknown("composed", "ab\u00e9", "'\u00e9' (U+00E9)", 2)
    unknown("decomposed", "abe\u0301", "'e' (U+0065)", 2)
    unknown("many-bytes", "ab\u4e2d\U0001f600\U0010ffff", "'\u4e2d' (U+4E2D)", 2)


# MARK: Checkpoints. The command believes them only where hashes fit: what becomes of them is tested with the store.

HASH = "0123456789abcdef" * 4
MANIFEST = {
    "format": "swift-autograd checkpoint",
    "version": 1,
    "files": [
        {"name": "config.json", "bytes": 478, "sha256": HASH},
        {"name": "model.safetensors", "bytes": 2624, "sha256": HASH},
    ],
}
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


def make_checkpoints():
    def manifest(name, accepted=False, **changes):
        case("manifest", name, compact(MANIFEST | changes), accepted=accepted)

    def entry(case_name, **changes):
        manifest(case_name, files=[MANIFEST["files"][0] | changes])

    manifest("base", accepted=True)
    manifest("another-format", format="a checkpoint")
    manifest("another-version", version=2)
    manifest("no-files", files=[])
    manifest("files-not-array", files={"name": "x"})
    manifest("entry-not-object", files=[1])
    for number, name in enumerate(["", ".", "..", "../config.json", "/etc/passwd", "a/b", "a\0b"]):
        entry(f"name-{number}", name=name)
    entry("name-number", name=1)
    entry("bytes-negative", bytes=-1)
    entry("bytes-fractional", bytes=0.5)
    entry("bytes-huge", bytes=2**64)
    entry("hash-short", sha256=HASH[1:])
    case("manifest", "duplicate-key", compact(MANIFEST)[:-1] + ',"files":[]}', accepted=False)
    case("manifest", "cut", compact(MANIFEST)[:-1], accepted=False)
    case("manifest", "empty", b"", accepted=False)

    def record(name, accepted=False, **changes):
        case("record", name, compact(RECORD | changes), accepted=accepted)

    def progress(name, **changes):
        record(name, progress=RECORD["progress"] | changes)

    def training(name, **changes):
        record(name, training=RECORD["training"] | changes)

    def curve(name, **changes):
        validation = RECORD["curve"]["validation"] | changes
        record(name, curve=RECORD["curve"] | {"validation": validation})

    record("base", accepted=True)
    case("record", "empty", b"", accepted=False)
    case("record", "not-an-object", "[]", accepted=False)
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


shutil.rmtree(CORPUS, ignore_errors=True)
make_json()
make_safetensors()
make_configurations()
make_tokenizers()
make_weights()
make_texts()
make_checkpoints()
(CORPUS / "sentences.txt").write_text("\n".join(lines) + "\n")
