"""A small GPT-2 with its tokenizer in a GGUF file. The command evaluates a text with it."""

import struct

WIDTHS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
U8, U32, I32, F32, BOOL, STRING, ARRAY, U64 = 0, 4, 5, 6, 7, 8, 9, 10

SHAPES = {
    "token_embd.weight": [3, 2],
    "position_embd.weight": [2, 2],
    "blk.0.attn_norm.weight": [2],
    "blk.0.attn_norm.bias": [2],
    "blk.0.attn_qkv.weight": [6, 2],
    "blk.0.attn_qkv.bias": [6],
    "blk.0.attn_output.weight": [2, 2],
    "blk.0.attn_output.bias": [2],
    "blk.0.ffn_norm.weight": [2],
    "blk.0.ffn_norm.bias": [2],
    "blk.0.ffn_up.weight": [8, 2],
    "blk.0.ffn_up.bias": [8],
    "blk.0.ffn_down.weight": [2, 8],
    "blk.0.ffn_down.bias": [2],
    "output_norm.weight": [2],
    "output_norm.bias": [2],
    "output.weight": [3, 2],
}


def string(text):
    text = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(text)) + text


def value(kind, content):
    """A value without its type."""
    if kind == STRING:
        return string(content)
    if kind == ARRAY:
        element, items = content
        return struct.pack("<IQ", element, len(items)) + b"".join(value(element, item) for item in items)
    return struct.pack("<" + WIDTHS[kind], content)


def keys():
    return {
        "general.architecture": (STRING, "gpt2"),
        "general.type": (STRING, "model"),
        "gpt2.context_length": (U32, 2),
        "gpt2.embedding_length": (U32, 2),
        "gpt2.block_count": (U32, 1),
        "gpt2.feed_forward_length": (U32, 8),
        "gpt2.attention.head_count": (U32, 1),
        "gpt2.attention.layer_norm_epsilon": (F32, 1e-5),
        "general.file_type": (U32, 0),
        "tokenizer.ggml.model": (STRING, "gpt2"),
        "tokenizer.ggml.pre": (STRING, "gpt-2"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, ["a", "b", "c"])),
        "tokenizer.ggml.token_type": (ARRAY, (I32, [1, 1, 1])),
        "tokenizer.ggml.merges": (ARRAY, (STRING, [])),
    }


def tensors():
    """Name → (shape as here, type, bytes), in order."""
    result, count = {}, 0
    for name, shape in SHAPES.items():
        size = shape[0] * (shape[1] if len(shape) > 1 else 1)
        numbers = [((count + i) * 37 % 19 - 9) / 16 for i in range(size)]
        count += size
        result[name] = (shape, 0, struct.pack(f"<{size}f", *numbers))
    result["output.weight"] = result["token_embd.weight"]
    return result


def header(key_bytes=None, tensor_bytes=None, version=3, magic=b"GGUF", tensor_count=0, key_count=0):
    return magic + struct.pack("<IQQ", version, tensor_count, key_count) + (key_bytes or b"") + (tensor_bytes or b"")


def key(name, kind, content):
    return string(name) + struct.pack("<I", kind) + value(kind, content)


def info(name, shape, kind, offset):
    dims = b"".join(struct.pack("<Q", length) for length in reversed(shape))
    return string(name) + struct.pack("<I", len(shape)) + dims + struct.pack("<IQ", kind, offset)


def file(change_keys=None, change=None, move=None, alignment=32, tail=b"", **frame):
    """The file; changes may take, add or replace keys and tensors; `move` changes offsets (name → difference)."""
    all_keys, all_tensors = keys(), tensors()
    if change_keys:
        change_keys(all_keys)
    if change:
        change(all_tensors)
    infos, data = b"", b""
    for name, (shape, kind, content) in all_tensors.items():
        infos += info(name, shape, kind, len(data) + (move or {}).get(name, 0))
        data += content + bytes(-len(content) % alignment)
    head = header(
        b"".join(key(name, *content) for name, content in all_keys.items()),
        infos,
        **({"tensor_count": len(all_tensors), "key_count": len(all_keys)} | frame),
    )
    return head + bytes(-len(head) % alignment) + data + tail


def with_keys(**changes):
    """Keys set, or taken where the value is None; `__` stands for a point."""

    def change(all_keys):
        for name, content in changes.items():
            name = name.replace("__", ".")
            if content is None:
                all_keys.pop(name)
            else:
                all_keys[name] = content

    return file(change)


def with_tensor(name, shape=None, kind=None, content=None):
    def change(all_tensors):
        old = all_tensors[name]
        all_tensors[name] = (shape or old[0], old[1] if kind is None else kind, old[2] if content is None else content)

    return file(change=change)


def make(case):
    def refused(name, content, sentence):
        case(name, content, "@: GGUF: " + sentence)

    case("base", file())
    case("version-2", file(version=2))
    case("not-padded-at-the-end", file()[:-8])
    case("tied-head", file(change=lambda t: t.pop("output.weight")))
    case("without-type", with_keys(general__type=None))
    case("with-languages", with_keys(general__languages=(ARRAY, (STRING, ["en"]))))
    case("aligned-to-64", file(lambda k: k.update({"general.alignment": (U32, 64)}), alignment=64))
    case("with-vocabulary-size", with_keys(gpt2__vocab_size=(U32, 3)))
    make_frames(refused)
    make_keys(refused)
    make_tensors(refused)
    make_places(refused)
    make_models(case)


def make_frames(refused):
    """Lies about what the file is and how much is in it."""
    refused("empty", b"", "the file has 0 bytes, but 24 say what is in it")
    refused("cut-in-counts", file()[:23], "the file has 23 bytes, but 24 say what is in it")
    refused("zip", file(magic=b"PK\3\4"), "the file begins with 50 4B 03 04 instead of")
    refused("safetensors", struct.pack("<Q", 2) + b"{}" + bytes(20), "the file begins with 02 00 00 00 instead of")
    refused("ggml", file(magic=b"lmgg"), "the file is of the older format GGML")
    refused("ggmf", file(magic=b"fmgg"), "the file is of the older format GGMF")
    refused("ggjt", file(magic=b"tjgg"), "the file is of the older format GGJT")
    refused("ggla", file(magic=b"algg"), "the file is of the older format GGLA")
    refused("version-0", file(version=0), "the file is of version 0, and")
    refused("version-1", file(version=1), "the file is of the older format GGUF 1")
    refused("version-4", file(version=4), "the file is of version 4, and")
    refused("version-largest", file(version=2**32 - 1), "the file is of version 4294967295, and")
    refused("big-endian", file(version=3 << 24), "the file was written for machines with the other order")
    refused("tensors-many", file(tensor_count=150_001), "the file claims 150001 tensors, more than the 150000")
    refused("tensors-negative", file(tensor_count=2**63), "the file claims 9223372036854775808 tensors")
    refused("tensors-of-all-ones", file(tensor_count=2**64 - 1), "the file claims 18446744073709551615 tensors")
    refused("keys-many", file(key_count=65_537), "the file claims 65537 keys, more than the 65536")
    refused("keys-negative", file(key_count=2**63), "the file claims 9223372036854775808 keys")
    refused("keys-of-all-ones", file(key_count=2**64 - 1), "the file claims 18446744073709551615 keys")
    refused("keys-missing", header(key_count=1), "the file ends inside key 0, which begins at byte 24")
    refused("tensors-missing", header(tensor_count=1), "the file ends inside tensor 0, which begins at byte 24")
    refused("split", with_keys(split__count=(2, 3)), "the file is one of 3 of a model; join them")
    refused("split-wide", with_keys(split__count=(U64, 2)), "the file is one of 2 of a model; join them")


def make_keys(refused):
    """Lies in names and values of keys."""

    def raw(name, content, sentence):
        refused(name, header(content, key_count=1) + bytes(8), sentence)

    refused("key-empty", header(string(""), key_count=1) + bytes(8), "key 0 has no name")
    raw("key-of-65536-bytes", struct.pack("<Q", 65_536), "the name of key 0 claims 65536 bytes, more than the 65535")
    raw("key-of-all-ones", struct.pack("<Q", 2**64 - 1), "the name of key 0 claims 18446744073709551615 bytes")
    raw("key-beyond-file", struct.pack("<Q", 100) + b"a", "the file ends inside the name of key 0")
    raw("key-not-utf-8", string(b"\xff") + struct.pack("<I", 0), "the name of key 0 is no UTF-8")
    raw("key-surrogate", string(b"\xed\xa0\x80") + struct.pack("<I", 0), "the name of key 0 is no UTF-8")
    twice = key("a.b", U8, 1) * 2
    refused("key-twice", header(twice, key_count=2), 'the key "a.b" stands twice')
    refused(
        "key-twice-in-between",
        header(key("a", U8, 1) + key("b", U8, 1) + key("a", STRING, "x"), key_count=3),
        'the key "a" stands twice',
    )
    control = string("\x1b[2J") + struct.pack("<I", 99)
    raw("key-of-control-characters", control, 'the key "\\u{1B}[2J" has a value of the unknown type 99')
    for kind in (13, 99, 2**31, 2**32 - 1):
        raw(f"type-{kind}", string("a") + struct.pack("<I", kind), f'the key "a" has a value of the unknown type {kind}')
        raw(
            f"type-of-elements-{kind}",
            string("a") + struct.pack("<IIQ", ARRAY, kind, 0),
            f'the key "a" has a value of the unknown type {kind}',
        )
    for byte in (2, 255):
        raw(f"bool-of-{byte}", string("a") + struct.pack("<IB", BOOL, byte), f'the key "a" is a truth value of {byte}')
        raw(
            f"bools-of-{byte}",
            string("a") + struct.pack("<IIQBB", ARRAY, BOOL, 2, 1, byte),
            f'the key "a" is a truth value of {byte}',
        )
    for name, count in [("long", 1000), ("negative", 2**63), ("of-all-ones", 2**64 - 1)]:
        raw(
            f"string-{name}",
            string("a") + struct.pack("<IQ", STRING, count),
            f'the key "a" claims a string of {count} bytes, more than the file has left',
        )
        raw(
            f"array-{name}",
            string("a") + struct.pack("<IIQ", ARRAY, U8, count),
            f'the key "a" claims {count} elements, more than the file has bytes for',
        )
        raw(
            f"array-of-strings-{name}",
            string("a") + struct.pack("<IIQ", ARRAY, STRING, count),
            f'the key "a" claims {count} elements, more than the file has bytes for',
        )
        raw(
            f"array-of-arrays-{name}",
            string("a") + struct.pack("<IIQ", ARRAY, ARRAY, count),
            f'the key "a" claims {count} elements, more than the file has bytes for',
        )
    raw(
        "array-wide-overflows",
        string("a") + struct.pack("<IIQ", ARRAY, U64, 2**61 + 1),
        'the key "a" claims 2305843009213693953 elements',
    )
    raw(
        "string-in-array-long",
        string("a") + struct.pack("<IIQQ", ARRAY, STRING, 1, 2**40),
        'the key "a" claims a string of 1099511627776 bytes',
    )
    raw("string-not-utf-8", key("a", STRING, b"\xc3\x28"), 'the key "a" is no UTF-8')
    deep = (ARRAY, (ARRAY, [(ARRAY, [(ARRAY, [(U8, [1])])])]))
    raw("arrays-too-deep", key("a", *deep), 'the key "a" has arrays in arrays beyond a depth of 3')
    for kind in (U8, U32, F32, U64):
        content = string("a") + struct.pack("<I", kind)
        end = {U8: 1, U32: 4, F32: 4, U64: 8}[kind] - 1
        refused(f"cut-in-value-{kind}", header(content + bytes(end), key_count=1), 'the file ends inside the key "a"')
    refused("cut-in-type", header(string("a") + bytes(3), key_count=1), 'the file ends inside the key "a"')
    for value_, name in [(0, "0"), (1, "1"), (4, "4"), (24, "24"), (33, "33"), (2**21, "large"), (2**32 - 1, "largest")]:
        refused(
            f"alignment-{name}",
            with_keys(general__alignment=(U32, value_)),
            f"general.alignment is {value_}; it must be a power of two",
        )
    refused("alignment-wide", with_keys(general__alignment=(U64, 32)), "general.alignment is of another type;")
    refused("alignment-string", with_keys(general__alignment=(STRING, "32")), "general.alignment is of another type;")


def make_tensors(refused):
    """Lies in names, shapes and types of tensors."""

    def raw(name, content, sentence):
        refused(name, header(b"", content, tensor_count=1) + bytes(64), sentence)

    raw("tensor-without-name", string("") + bytes(24), "tensor 0 has no name")
    raw("tensor-name-of-65-bytes", string("n" * 65), "the name of tensor 0 claims 65 bytes, more than the 64 allowed")
    raw("tensor-name-of-all-ones", struct.pack("<Q", 2**64 - 1), "the name of tensor 0 claims 18446744073709551615")
    raw("tensor-name-not-utf-8", string(b"\xfe\xff"), "the name of tensor 0 is no UTF-8")
    both = info("a", [1], 0, 0) + info("a", [1], 0, 32)
    refused("tensor-twice", pad(header(b"", both, tensor_count=2)) + bytes(64), 'the name "a" stands twice')
    for rank in (0, 5, 2**31, 2**32 - 1):
        raw(f"rank-{rank}", string("a") + struct.pack("<I", rank), f'tensor "a" has {rank} axes; there are 1 to 4')
    raw("length-0", info("a", [2, 0], 0, 0), 'tensor "a": axis 0 has the length 0; it must lie between')
    raw("length-0-outside", info("a", [0, 2], 0, 0), 'tensor "a": axis 1 has the length 0; it must lie between')
    raw("length-negative", info("a", [2**63], 0, 0), 'tensor "a": axis 0 has the length 9223372036854775808; it')
    raw("length-of-all-ones", info("a", [2**64 - 1], 0, 0), 'tensor "a": axis 0 has the length 18446744073709551615')
    raw("shape-overflows", info("a", [2**32, 2**32], 0, 0), 'tensor "a" of shape [4294967296, 4294967296] has more bytes')
    raw("shape-overflows-in-bytes", info("a", [2**61], 0, 0), 'tensor "a" of shape [2305843009213693952] has more bytes')
    raw("shape-overflows-in-rank-4", info("a", [2**16] * 4, 0, 0), 'tensor "a" of shape [65536, 65536, 65536, 65536] has')
    for kind in (4, 5, 36, 99, 2**32 - 1):
        raw(f"tensor-type-{kind}", info("a", [1], kind, 0), f'tensor "a" has the unknown type {kind}; this version reads')
    others = {9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 16: "IQ2_XXS", 20: "IQ4_NL", 23: "IQ4_XS", 34: "TQ1_0", 39: "MXFP4"}
    for kind, name in others.items():
        raw(f"tensor-of-{name}", info("a", [256], kind, 0), f'tensor "a" is {name}, and this version reads')
    for kind, name, length in [(2, "Q4_0", 32), (8, "Q8_0", 32), (12, "Q4_K", 256), (14, "Q6_K", 256)]:
        raw(
            f"row-of-{name}-broken",
            info("a", [2, length + 16], kind, 0),
            f'tensor "a" has rows of {length + 16} numbers, which {name} cannot hold: its blocks have {length}',
        )
    raw("tensor-cut", string("a") + struct.pack("<I", 4), 'tensor "a": axis 0 has the length 0')
    refused(
        "tensor-cut-in-offset",
        header(b"", info("a", [1], 0, 0)[:-1], tensor_count=1),
        'the file ends inside tensor "a", which begins at byte',
    )


def pad(content, alignment=32):
    return content + bytes(-len(content) % alignment)


def make_places(refused):
    """Lies about where tensors lie."""
    name = "blk.0.attn_norm.bias"
    refused("offset-odd", file(move={name: 1}), f'tensor "{name}" begins at 97, which is no multiple of the alignment')
    refused("offset-unaligned", file(move={name: 8}), f'tensor "{name}" begins at 104, which is no multiple of')
    refused("overlap", file(move={name: -32}), "tensors ")
    refused("all-at-0", file(move={"position_embd.weight": -32}), "tensors ")
    refused("hole", file(move={"output.weight": 32}, tail=bytes(32)), '32 bytes before tensor "output.weight" belong')
    refused("offset-beyond-file", file(move={"output.weight": 2**20}), 'tensor "output.weight" ends at ')
    refused("offset-negative", file(move={"output.weight": 2**63}), 'tensor "output.weight" ')
    refused("offset-of-all-ones", file(move={"token_embd.weight": 2**64 - 32}), '32 bytes before tensor "position_embd.w')
    refused("data-cut", file()[:-9], 'tensor "output.weight" ends at ')
    refused("data-missing", file()[:1400], "the file ends inside tensor ")
    refused("trailing-byte", file(tail=b"x"), "1 bytes after the last tensor belong to none")
    refused("trailing-block", file(tail=bytes(32)), "32 bytes after the last tensor belong to none")
    refused("aligned-otherwise", with_keys(general__alignment=(U32, 64)), 'tensor "position_embd.weight" begins at 32')


def make_models(case):
    """Files whose structure is in order, and which are no model of ours."""

    def refused(name, content, sentence):
        case(name, content, "@: " + sentence, accepted=False)

    refused("adapter", with_keys(general__type=(STRING, "adapter")), 'it holds the type "adapter", not a model')
    refused("type-number", with_keys(general__type=(U32, 1)), "it holds the type 1, not a model")
    refused("architecture-missing", with_keys(general__architecture=None), 'the key "general.architecture" is missing')
    refused("architecture-number", with_keys(general__architecture=(U8, 1)), 'the key "general.architecture" is missing')
    for other in ("mamba", "gemma3", "clip", "GPT2", "\x1b[2J"):
        shown = "\\u{1B}[2J" if other.startswith("\x1b") else other
        name = "control" if other.startswith("\x1b") else other
        refused(
            f"architecture-{name}",
            with_keys(general__architecture=(STRING, other)),
            f'its architecture is "{shown}"; this version opens "gpt2", "llama"',
        )
    refused("architecture-of-others", with_keys(general__architecture=(STRING, "llama")), 'the key "llama.context_length"')
    sizes = ["context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count"]
    for size in sizes:
        name, place = "gpt2." + size, size.replace(".", "-")
        refused(f"{place}-missing", file(lambda k: k.pop(name)), f'the key "{name}" is missing')
        for what, content in [
            ("0", (U32, 0)), ("negative", (I32, -1)), ("float", (F32, 2.0)), ("array", (ARRAY, (U32, [1, 1]))),
            ("string", (STRING, "1")), ("huge", (U64, 2**63)),
        ]:
            sentence = f'"{name}" must be a whole number of at least 1'
            refused(f"{place}-{what}", file(lambda k: k.update({name: content})), sentence)
    refused(
        "block_count-beyond", with_keys(gpt2__block_count=(U32, 2**24)), "the model is too large for any memory")
    refused("heads-do-not-divide", file(lambda k: k.update({"gpt2.attention.head_count": (U32, 3)})), "2 channels do not")
    epsilon = "gpt2.attention.layer_norm_epsilon"
    refused("epsilon-missing", file(lambda k: k.pop(epsilon)), f'the key "{epsilon}" is missing')
    for what, number in [("negative", -1.0), ("infinite", float("inf")), ("nan", float("nan"))]:
        sentence = f'"{epsilon}" must be a number of at least 0'
        refused(f"epsilon-{what}", file(lambda k: k.update({epsilon: (F32, number)})), sentence)
    refused("epsilon-huge", file(lambda k: k.update({epsilon: (F32, 2.0)})), "the norms' epsilon must lie between 0 and 1")
    refused("vocabulary-differs", with_keys(gpt2__vocab_size=(U32, 4)), '"gpt2.vocab_size" is 4, but token_embd.weight')
    unknown = 'the key "gpt2.expert_weights_scale" is not known to this version, and could change'
    refused("key-unknown", with_keys(gpt2__expert_weights_scale=(F32, 1.0)), unknown)
    refused("not-causal", file(lambda k: k.update({"gpt2.attention.causal": (BOOL, 0)})), '"gpt2.attention.causal" is false')
    lacking = "the weights do not fit the configuration: "
    refused("tensor-missing", file(change=lambda t: t.pop("output_norm.bias")), lacking + "output_norm.bias is missing")
    refused(
        "tensor-unexpected", file(change=lambda t: t.update({"x.weight": ([1], 0, bytes(4))})), lacking + '"x.weight" is'
    )
    refused("embedding-missing", file(change=lambda t: t.pop("token_embd.weight")), "the tensor token_embd.weight, whose")
    refused("embedding-vector", with_tensor("token_embd.weight", shape=[6]), "the tensor token_embd.weight, whose")
    refused(
        "shape-transposed",
        with_tensor("blk.0.ffn_up.weight", shape=[2, 8]),
        lacking + "blk.0.ffn_up.weight has shape [2, 8], expected [8, 2]",
    )
    refused(
        "integers", with_tensor("blk.0.ffn_up.weight", kind=26), lacking + "blk.0.ffn_up.weight is I32, expected real"
    )
    for what, number in [("not-a-number", "nan"), ("infinity", "inf")]:
        content = struct.pack("<2f", 1, float(number))
        refused(
            what,
            with_tensor("output_norm.bias", content=content),
            f"not all weights are finite numbers: output_norm.bias holds {number} at index 1",
        )
    refused(
        "blocks-too-many",
        with_keys(gpt2__block_count=(U32, 60000)),
        "the weights do not fit the configuration: the keys describe a model many times the size",
    )
