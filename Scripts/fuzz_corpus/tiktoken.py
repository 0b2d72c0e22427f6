"""Ranks of tiktoken, in a file whose name says the pre-tokenizer, as `autograd tokenizer inspect` reads it."""

import base64


def lines(*tokens):
    return "".join(f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens))


def make(case):
    def lie(name, text, reason):
        case(name, text, "@: the tokenizer file holds no byte-pair vocabulary: " + reason)

    alphabet = [bytes([byte]) for byte in range(97, 105)]
    base = lines(*alphabet, b"ab", b"abc", b"abcab")
    case("base", base)
    case("line-ends-of-windows", base.replace("\n", "\r\n"))
    case("no-last-line-end", base[:-1])
    case("unordered", "".join(reversed(base.splitlines(keepends=True))))
    case("gap", base + "eg== 40\n")
    lie("empty", "", "it has no lines")
    lie("line-ends", "\n\n\n", "it has no lines")
    form = "line 2 is not a token in base64, a space and its rank"
    for name, line in [
        ("no-rank", "YQ=="), ("no-token", "7"), ("rank-negative", "YQ== -1"), ("rank-fraction", "YQ== 1.5"),
        ("rank-hexadecimal", "YQ== 0x1"), ("rank-huge", "YQ== 99999999999999999999"), ("rank-empty", "YQ== "),
        ("two-ranks", "YQ== 1 2"), ("two-spaces", "YQ==  1"), ("tab", "YQ==\t1"),
    ]:
        lie(name, "YQ== 0\n" + line + "\n", form)
    for name, token in [
        ("not-base64", "Y!=="), ("base64-cut", "YQ="), ("base64-url", "_-8="), ("padding-alone", "===="),
        ("padding-inside", "Y=Q="), ("empty-token", ""),
    ]:
        lie(name, f"YQ== 0\n{token} 1\n", "the token in line 2 is not base64")
    lie("rank-twice", "YQ== 0\nYg== 0\n", "the rank 0 stands there twice")
    lie("rank-far", "YQ== 0\nYg== 5000\n", "there is a rank 5000, and there are 2 lines")
    lie("binary", b"\x00\xff\xfe 0\n", "the token in line 1 is not base64")
