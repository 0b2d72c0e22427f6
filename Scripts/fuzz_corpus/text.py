"""Texts, evaluated by the small model, which knows a, b and c and sees two characters."""


def make(case):
    def refused(name, content, offset):
        case(name, content, f"@ is not UTF-8 at byte {offset} (counted from 0); convert it to UTF-8")

    def unknown(name, content, character, position):
        case(name, content, f"the character {character} at position {position} ", accepted=True)

    case("empty", b"", "@ is empty; name a file with text in it")
    case(
        "one-byte",
        "a",
        "the text has 1 token, and each is predicted from those before it",
        accepted=True,
    )
    case("two-bytes", "ab")
    case("one-window-and-one", "abc")
    case("many-windows", "abcacb" * 30)
    refused("byte-255", b"ab\xff", 2)
    refused("continuation-byte", b"a\x80", 1)
    refused("overlong-zero", b"\xc0\x80", 0)
    refused("overlong-slash", b"abc\xe0\x80\xaf", 3)
    refused("encoded-surrogate", b"\xed\xa0\x80", 0)
    refused("beyond-unicode", b"a\xf4\x90\x80\x80", 1)
    refused("cut-character", "ab\U0001f600".encode()[:-1], 2)
    refused("utf-16", "ab".encode("utf-16"), 0)
    unknown("zero-byte", "a\0", "U+0000", 1)
    case("byte-order-mark", "\ufeffabc")
    unknown("line-ends", "ab\r\n", "U+000D", 2)
    unknown("composed", "ab\u00e9", "'\u00e9' (U+00E9)", 2)
    unknown("decomposed", "abe\u0301", "'e' (U+0065)", 2)
    unknown("many-bytes", "ab\u4e2d\U0001f600\U0010ffff", "'\u4e2d' (U+4E2D)", 2)
