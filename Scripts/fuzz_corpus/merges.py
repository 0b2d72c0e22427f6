"""GPT-2's merges.txt, with an honest vocab.json beside it, as `autograd tokenizer inspect` reads it."""

VOCABULARY = {"a": 0, "b": 1, "\u0120": 2, "ab": 3, "\u0120ab": 4, "#version:": 5, "x": 6}


def make(case):
    def lie(name, text, reason, kind="vocabulary"):
        case(name, text, f"@: the tokenizer file holds no {kind}: {reason}")

    base = "#version: 0.2\na b\n\u0120 ab\n"
    case("base", base)
    case("no-version", "a b\n\u0120 ab\n")
    case("line-ends-of-windows", base.replace("\n", "\r\n"))
    case("empty", "")
    case("empty-lines", "\n\na b\n\n")
    form = "line {} of merges.txt is not two tokens with a space between them"
    lie("one-word", "#version: 0.2\nab\n", form.format(2))
    lie("three-words", "a b a\n", form.format(1))
    lie("two-spaces", "a  b\n", form.format(1))
    lie("tab", "a\tb\n", form.format(1))
    lie("version-late", "a b\n#version: 0.2\n", 'line 2 of merges.txt joins "0.2", which is no token of vocab.json')
    joins = 'line {} of merges.txt joins "{}", which is no token of vocab.json'
    lie("left", "z b\n", joins.format(1, "z"))
    lie("right", "a b\na z\n", joins.format(2, "z"))
    lie("space-behind", "a b \n", form.format(1))
    lie("space-before", " a b\n", form.format(1))
    lie("nothing-left", " b\n", joins.format(1, ""))
    lie("not-utf8", b"a \xff\n", 'line 1 of merges.txt joins "\ufffd", which is no token of vocab.json')
    lie("control-character", "a \x1b[2J\n", 'line 1 of merges.txt joins "\\u{1B}[2J", which is no token of vocab.json')
    lie("result", "x a\n", 'merge 0 makes "xa", which is no token', "byte-pair vocabulary")
