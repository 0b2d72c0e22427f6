"""safetensors. The command inspects each."""

import struct

from .corpus import frame


def tensor(name, dtype="F32", shape="[1]", offsets="[0,4]"):
    return f'"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}'


def one(*arguments, size=4):
    return frame("{" + tensor("a", *arguments) + "}", bytes(size))


def make(case):
    def refused(name, content, sentence):
        case(name, content, "@: safetensors: " + sentence)

    make_frames(refused)
    make_names(refused)
    make_fields(refused)
    make_ranges(refused)
    make_honest(case)


def make_frames(refused):
    """Lies about the length of the header, and headers that are no JSON object."""
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


def make_names(refused):
    """Names that stand twice, and metadata."""
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
    refused("metadata-null", frame('{"__metadata__":null}'), "__metadata__ must hold strings only and be an object")


def make_fields(refused):
    """Types, shapes and offsets."""
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
        ("minus-0", "[-0,4]"),
        ("beyond-64-bits", "[0,18446744073709551615]"),
    ]:
        refused(
            "offsets-" + name,
            one("F32", "[1]", offsets),
            'tensor "a": data_offsets must be two integers of 0 or more',
        )


def make_ranges(refused):
    """Where tensors lie in the data."""
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


def make_honest(case):
    case("no-tensors", frame("{}   "))
    case(
        "equivalent-names",
        frame("{" + tensor("\u00e9") + "," + tensor("e\u0301", "F32", "[1]", "[4,8]") + "}", bytes(8)),
    )
    case(
        "control-characters",
        frame('{"__metadata__":{"a\\u001b[2J":"b\\nc"},' + tensor("\\u001b]0;x\\u0007\\n") + "}", bytes(4)),
    )
    case("reordered", frame("{" + tensor("b", "F32", "[1]", "[4,8]") + "," + tensor("a") + "}", bytes(8)))
    case(
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
    case("every-type", frame('{"__metadata__":{"format":"pt"},' + ",".join(types) + "}", bytes(range(position))))
