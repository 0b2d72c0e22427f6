"""Files of tokens: llm.c's with their header, and nanoGPT's without. The vocabulary beside them has three tokens."""

import struct


def header(magic=20240520, version=1, count=8):
    return struct.pack("<256i", magic, version, count, *[0] * 253)


def uint16(*tokens):
    return struct.pack(f"<{len(tokens)}H", *tokens)


def uint32(*tokens):
    return struct.pack(f"<{len(tokens)}I", *tokens)


def make(case):
    eight = (0, 1, 2, 2, 1, 0, 1, 2)

    def refused(name, content, reason):
        case(name, content, "@ does not hold tokens: " + reason)

    case("base", header() + uint16(*eight))
    case("four-bytes-each", header(20240801, 7) + uint32(*eight))
    case("no-header", uint16(*eight))
    case("empty", b"", "@ is empty; name a file with text in it")
    refused("odd-byte", uint16(*eight) + b"\0", "it has 17 bytes, which are no whole number of uint16 tokens")
    refused("one-byte", b"\0", "it has 1 bytes, which are no whole number of uint16 tokens")
    within = "it begins as a file of llm.c and ends within the header, at byte "
    refused("magic-only", header()[:4], within + "4")
    refused("short-header", header()[:1023], within + "1023")
    refused("version-2", header(version=2) + uint16(*eight), "its header has version 2, and version 1 is known")
    refused("version-of-the-other", header(version=7) + uint16(*eight), "its header has version 7, and version 1 is known")
    says = "its header says {} tokens, and there are bytes for {}"
    refused("count-too-large", header(count=9) + uint16(*eight), says.format(9, 8))
    refused("count-too-small", header(count=7) + uint16(*eight), says.format(7, 8))
    refused("count-negative", header(count=-1) + uint16(*eight), says.format(-1, 8))
    refused("count-largest", header(count=2**31 - 1) + uint16(*eight), says.format(2**31 - 1, 8))
    refused("cut-token", header() + uint16(*eight)[:-1], says.format(8, 7) + " and a part of one")
    refused("wrong-width", header(20240801, 7) + uint16(*eight), says.format(8, 4))
    refused("token-3", header() + uint16(*eight[:-1], 3), "token 7 is 3, and the vocabulary has 3")
    refused("token-65535", uint16(65535, *eight), "token 0 is 65535, and the vocabulary has 3")
    refused("token-negative", header(20240801, 7) + uint32(*eight[:-1], 2**32 - 1), "token 7 is -1, and the vocabulary has 3")
    refused("magic-of-a-model", header(20240326, 3) + uint16(*eight), "token 0 is 55238, and the vocabulary has 3")
    case(
        "no-tokens",
        header(count=0),
        "the training part has 0 tokens, but one window of block size 1 takes 1 + 1; give more text",
        accepted=True,
    )
