"""Texts in JSON. The command reads each as a config.json."""


def make(case):
    def refused(name, content, sentence):
        case(name, content, "@: JSON " + sentence)

    def honest(name, content):
        case(name, content, '@: the key "vocab_size" is missing', accepted=True)

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
