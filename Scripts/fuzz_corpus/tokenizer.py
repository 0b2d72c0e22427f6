"""A small model's tokenizer.json; its other files are honest."""

import json

from .corpus import compact


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


def make(case):
    def refused(name, file, sentence, accepted=False, form=compact):
        case(name, form(file), sentence, accepted)

    def foreign(name, file, reason, kind="byte-pair vocabulary", form=compact):
        """What is no vocabulary of any kind; the last kind says why."""
        refused(name, file, f"@: the tokenizer file holds no {kind}: {reason}", form=form)

    def other(name, file, sentence=None):
        """A byte-pair vocabulary, which does not suit the model or the text."""
        case(name, compact(file), sentence, False)

    # Bytes without a token are left out of the text, which is "abc".
    few = "the text has {}, and each is predicted from those before it"
    wider = "@: it has 4 tokens, but the model's vocabulary has 3; take the one saved with the model"
    case("base", json.dumps(tokenizer(), indent=2))
    case(
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
    case("merges-as-strings", compact(pairs), "the character 'a' (U+0061) at position 0", accepted=True)
    broken = "@: the tokenizer file cannot be read: JSON "
    case("empty", "", broken + "ends at byte 0")
    case("cut", compact(tokenizer())[:-9], broken + "ends at byte")
    case("byte-order-mark", "\ufeff" + compact(tokenizer()), broken + "starts with a byte order mark")
    case("nesting", '{"model":' + "[" * 2000, broken + "is nested deeper than 64 levels")
    case(
        "duplicate-token",
        compact(tokenizer()).replace('"c":2', '"a":2'),
        broken + 'has the key "a" twice',
    )
    foreign("not-an-object", [], "it has no model")
    foreign("another-model", tokenizer(model={"type": "Unigram"}), "its model type is Unigram")
    other("added-tokens", tokenizer(added_tokens=[{"id": 3, "content": "<s>"}]), wider)
    foreign(
        "added-token-of-another-id",
        tokenizer(added_tokens=[{"id": 1, "content": "a"}]),
        'the added token "a" has the id 1, and in the vocabulary 0',
    )
    case("added-token-of-the-vocabulary", compact(tokenizer(added_tokens=[{"id": 0, "content": "a", "special": True}])))
    foreign("truncation", tokenizer(truncation={"max_length": 2}), "its truncation cuts texts; set ")
    foreign("padding", tokenizer(padding={"strategy": "BatchLongest"}), "its padding lengthens texts; set ")
    template = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}]}
    case("template-that-adds-nothing", compact(tokenizer(post_processor=template)))
    other("normalizer", tokenizer(normalizer={"type": "NFC"}))
    foreign("no-pre-tokenizer", tokenizer(pre_tokenizer=None), "its decoder does not turn back what")
    other("space-in-front", tokenizer(pre_tokenizer={"type": "ByteLevel"}))
    foreign("no-decoder", tokenizer(decoder={"type": "Metaspace"}), "its decoder does not turn back what")
    foreign("template", tokenizer(post_processor={"type": "TemplateProcessing"}), "its post_processor has no template")
    other("unknown-token", tokenizer(model={"unk_token": "a"}))
    foreign("dropout", tokenizer(model={"dropout": 0.1}), "its model sets dropout")
    foreign("vocabulary-missing", tokenizer(model={"vocab": None}), "it has no model with a vocab")
    foreign("vocabulary-not-object", tokenizer(model={"vocab": ["a"]}), "it has no model with a vocab")
    foreign("vocabulary-empty", tokenizer(model={"vocab": {}}), "it has no model with a vocab")
    for name, identifier in [
        ("negative", -1),
        ("fractional", 0.5),
        ("with-a-point", 0.0),
        ("huge", 2**63),
        ("string", "0"),
    ]:
        foreign(
            "id-" + name,
            tokenizer(vocab={"b": 1, "c": 2, "a": identifier}),
            'the id of "a" is no whole number of at least 0',
            "vocabulary",
        )
    twice = tokenizer(vocab={"b": 1, "c": 2, "a": 1})
    foreign("id-twice", twice, '"b" and "a" both have the id 1', "vocabulary")
    other("id-beyond", tokenizer(vocab={"b": 1, "c": 2, "a": 3}), wider)
    foreign(
        "not-byte-level", tokenizer(vocab={"a": 0, "\u4e2d": 1}), 'the token "\u4e2d" is not in byte-level spelling'
    )
    foreign(
        "control-characters", tokenizer(vocab={"a": 0, "\x1b[2J": 1}), 'the token "\\u{1B}[2J" is not in byte-level'
    )
    other("word", tokenizer(vocab={"a": 0, "bc": 1}), few.format("1 token"))
    foreign("empty-token", tokenizer(vocab={"a": 0, "": 1}), 'the token "" is not in byte-level spelling')
    other("unordered", tokenizer(vocab={"b": 0, "a": 1}))
    words, merges = vocabulary("\u00e9")
    foreign(
        "piece-missing",
        tokenizer(vocab=dict(list(words.items())[:-1]), merges=merges),
        'merge 0 joins "\u00c3", which is no token of it',
        "vocabulary",
    )
    other("piece-of-nothing", tokenizer(vocab=words | {"\u00c4": 3}, merges=merges), wider)
    other("merge-missing", tokenizer("\u00e9", merges=[]), few.format("0 tokens"))
    other("merge-twice", tokenizer("\u00e9", merges=merges * 2), few.format("0 tokens"))
    foreign("merge-of-nothing", tokenizer(merges=[["a", "b"]]), 'merge 0 makes "ab", which is no token')
    foreign("merge-of-three", tokenizer(merges=[["a", "b", "c"]]), "a merge is neither a pair", "vocabulary")
    foreign("merge-of-numbers", tokenizer(merges=[[1, 2]]), "a merge is neither a pair", "vocabulary")
    # Composed and decomposed spellings are different keys: the file has another id for each.
    foreign(
        "equivalent-tokens",
        tokenizer(vocab={"\u00e9": 0, "e\u0301": 1}),
        'the token "e\u0301" is not in byte-level spelling',
    )
