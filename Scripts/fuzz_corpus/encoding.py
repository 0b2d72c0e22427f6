"""Vocabularies of merges and texts for them: no command reads such files."""


def make(case):
    def vocabulary(name, kind, pairs, text):
        text = text.encode() if isinstance(text, str) else text
        case(name, bytes([kind, len(pairs)]) + b"".join(bytes(pair) for pair in pairs) + text)

    th, the = (116, 104), (128, 101)
    vocabulary("words", 0, [th, the, (32, 128), (97, 110)], "the then\n\nthe 12 'the 've\nThe end")
    vocabulary("one-letter", 6, [(97, 97), (128, 128), (128, 128)], "a" * 500)
    vocabulary("contractions", 1, [th, the], "it's IT'S '\u017fs 1234567 \r\n \n x")
    vocabulary("cases", 2, [th, the], "camelCase HTTPServer's \u01c5 e\u0301\u0301.\n//x")
    vocabulary("spaces", 3, [(32, 32), (128, 128), (10, 10)], "a  b\t\n \n\u3000x\nY\n\nz \n")
    vocabulary("digits", 5, [(49, 50), (49, 49)], "1121 \u0663 \u00b2 a1\n2b\n3")
    vocabulary("characters", 4, [(0xE4, 0xB8), (0x61, 0xCC)], "\u4e2d\u6587 \U0001f468\u200d\U0001f469 a\u0301\0")
    vocabulary("not-utf-8", 0, [(0xFF, 0xFE)], b"\xff\xfe\xe4\xb8 \xed\xa0\x80\xc0\xaf\nA\xf4\x90")
    case("no-merges", b"\0\0")
    case("cut-off", b"\0", accepted=False)
