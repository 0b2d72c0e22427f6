"""Documents of JSON, one a line."""


def make(case):
    def line(*texts, end="\n"):
        return "".join(f'{{"text": "{text}"}}{end}' for text in texts)

    def refused(name, content, reason, number=2):
        case(name, content, f"@, line {number}: {reason}")

    def second(content):
        return line("first line") + content + "\n" + line("third line")

    case("base", line("a first document", "another", "one that is a little longer"))
    case("no-line-end", line("a first document", "another").rstrip())
    case("other-members", '{"id": 1, "text": "a document", "meta": {"text": 4}}\n{"url": null, "text": "and another"}\n')
    case("escapes", '{"text": "tab\\t, quote\\", line\\n, \\u00e9, \\ud83d\\ude00"}\n' + line("another one"))
    case("carriage-returns", line("a first document", "another", end="\r\n"))
    case("byte-order-mark", "\ufeff" + line("a first document", "another"))
    case("empty-documents", line("", "a document that is there", ""))
    case("empty", "", "@ is empty; name a file with text in it")
    case("only-empty-documents", line("", ""), "the text is empty: no vocabulary can be made from it", accepted=True)
    case("blank-lines", line("a first document") + "\n \t\r\n" + line("another one") + "\n")
    case("blank", " ", "the text is empty: no vocabulary can be made from it", accepted=True)
    refused("cut-off", line("a document") + '{"text": "ano', "JSON ends at byte 13")
    refused("plain-text", "just some text\n", "JSON has 'j' at byte 0", number=1)
    refused("array", second('["text"]'), "the line is no object")
    refused("string", second('"text"'), "the line is no object")
    refused("no-text", second('{"texts": "a"}'), 'the object has no "text"')
    refused("another-spelling", second('{"t\\u0065xt ": "a"}'), 'the object has no "text"')
    refused("number", second('{"text": 4}'), '"text" is no string')
    refused("null", second('{"text": null}'), '"text" is no string')
    refused("list", second('{"text": ["a"]}'), '"text" is no string')
    refused("twice", second('{"text": "a", "text": "b"}'), 'JSON has the key "text" twice')
    refused("two-on-a-line", second('{"text": "a"} {"text": "b"}'), "JSON is complete before byte 14")
    refused("raw-tab", second('{"text": "a\tb"}'), "JSON has the control character 0x09")
    refused("lone-surrogate", second('{"text": "\\ud83d"}'), "JSON escapes half of a surrogate pair")
    refused("not-utf-8", line("a").encode() + b'{"text": "\xff"}\n', "JSON has bytes that are not UTF-8")
    refused("too-deep", second('{"text": "a", "more": ' + "[" * 80 + "]" * 80 + "}"), "JSON is nested deeper than 64")
    refused("utf-16", "{}".encode("utf-16"), "JSON has 0xFF at byte 0", number=1)

    pair = '{"prompt": "", "completion": "an answer"}'
    chat = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'
    asked = "the text has conversations, and nobody has said how to write them"
    case("completions", f"{pair}\n" * 2)
    case("instructions", '{"instruction": "a", "input": "b", "output": "c", "text": "d"}\n{"instruction": "a", "output": ""}\n',
         "@: the training part has 1 document, none with an answer within its first 1 tokens", accepted=True)
    case("conversations", f"{chat}\n" * 2, f"@, line 1: {asked}", accepted=True)
    preference = '{"prompt": "", "chosen": "a.", "rejected": "a"}'
    whole = '[{"role": "user", "content": "q"}, {"role": "assistant", "content": "%s"}]'
    small = "@: the training part has 1 pair, none of which fits into windows of 1 tokens"
    case("preferences", f"{preference}\n" * 2, small, accepted=True)
    case("preferences-whole", '{"prompt": "q", "chosen": %s, "rejected": %s}\n' % (whole % "yes", whole % "no"),
         f"@, line 1: {asked}", accepted=True)
    refused("preference-number", '{"prompt": "a", "chosen": "b", "rejected": 4}\n',
            '"rejected" is neither a string nor a list of messages', number=1)
    case("preference-unanswered", '{"prompt": [], "chosen": [], "rejected": []}\n', f"@, line 1: {asked}")
    refused("preference-same", '{"prompt": "q", "chosen": %s, "rejected": %s}\n' % (whole % "yes", whole % "yes"),
            '"chosen" and "rejected" begin with their prompt, and one goes no further than the other', number=1)
    refused("preferences-and-answers", preference + "\n" + pair,
            "the line holds prompts with completions, and those before hold preference pairs")
    refused("answers-and-texts", f"{pair}\n" + line("a"), "the line holds texts, and those before hold prompts with completions")
    refused("texts-and-answers", line("a") + pair, "the line holds prompts with completions, and those before hold texts")
    refused("completion-number", pair + '\n{"prompt": "a", "completion": 4}\n', '"completion" is no string')
    refused("completion-missing", pair + '\n{"prompt": "a"}\n', 'the object has no "completion"')
    refused("output-missing", '{"instruction": "a", "output": "b"}\n{"instruction": "a"}\n', 'the object has no "output"')

    def spoken(name, content, reason):
        refused(name, f'{{"messages": {content}}}\n', reason, number=1)

    spoken("messages-number", "4", '"messages" is no list')
    spoken("messages-strings", '["a"]', "message 1: it is no object")
    spoken("role-missing", '[{"content": "a"}]', 'message 1: the object has no "role"')
    spoken("role-unknown", '[{"role": "\\u001b[2J", "content": "a"}]', 'message 1: its role is "\\u{1B}[2J"')
    spoken("content-null", '[{"role": "user", "content": null}]', 'message 1: "content" is no string')
