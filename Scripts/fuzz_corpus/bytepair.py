"""A byte-pair tokenizer.json, as `autograd tokenizer inspect` reads it."""

import copy
import json

from .corpus import compact
from .tokenizer import byte_level

LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
PLAIN = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
END = {"id": 5, "content": "<|endoftext|>", "special": True, "normalized": False}
LLAMA_DECODER = {
    "type": "Sequence",
    "decoders": [
        {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ],
}


def tokenizer(model=None, **changes):
    """A vocabulary of "a", "b", " ", "ab", " ab" and the end of a text."""
    inner = {
        "type": "BPE",
        "vocab": {"a": 0, "b": 1, "\u0120": 2, "ab": 3, "\u0120ab": 4},
        "merges": [["a", "b"], ["\u0120", "ab"]],
    }
    return {
        "version": "1.0",
        "added_tokens": [END],
        "normalizer": None,
        "pre_tokenizer": LEVEL,
        "post_processor": None,
        "decoder": LEVEL,
        "model": inner | (model or {}),
    } | changes


def llama(model=None, **changes):
    """The same as SentencePiece's conversions have it."""
    vocab = {"<unk>": 0} | {f"<0x{byte:02X}>": byte + 1 for byte in range(256)}
    vocab |= {"\u2581": 257, "a": 258, "b": 259, "ab": 260}
    return tokenizer(
        model={"vocab": vocab, "merges": [["a", "b"]], "byte_fallback": True, "unk_token": "<unk>", "fuse_unk": True}
        | (model or {}),
        pre_tokenizer=None,
        decoder=LLAMA_DECODER,
        added_tokens=[{"id": 0, "content": "<unk>", "special": True}],
        normalizer={
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "\u2581"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
            ],
        },
    ) | changes


def without(file, *keys):
    result = copy.deepcopy(file)
    inner = result
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return result


def make(case):
    def honest(name, file, form=compact):
        case(name, form(file))

    def lie(name, file, reason, kind="byte-pair vocabulary", form=compact):
        case(name, form(file), f"@: the tokenizer file holds no {kind}: {reason}")

    def unreadable(name, text, sentence):
        case(name, text, "@: the tokenizer file cannot be read: JSON " + sentence)

    base = tokenizer()
    honest("base", base, lambda file: json.dumps(file, indent=2, ensure_ascii=False))
    honest_files(honest, base)
    damaged(unreadable, base)
    models(lie)
    vocabularies(lie)
    merges(lie)
    added_tokens(lie)
    pipelines(lie)
    decoders(lie)
    processors(lie)


def honest_files(honest, base):
    honest("merges-as-strings", tokenizer({"merges": ["a b", "\u0120 ab"]}))
    honest("merges-before-vocab", tokenizer({}) | {"model": dict(reversed(list(base["model"].items())))})
    honest("no-type", without(base, "model", "type"))
    honest("no-added-tokens", tokenizer(added_tokens=[]))
    honest("gap", tokenizer(added_tokens=[END | {"id": 9}]))
    honest("nfc", tokenizer(normalizer={"type": "NFC"}))
    honest("gpt2-with-a-space-in-front", tokenizer(pre_tokenizer=LEVEL | {"add_prefix_space": True}))
    honest("ignore-merges", tokenizer({"ignore_merges": True, "dropout": None, "fuse_unk": False}))
    digits = {"type": "Digits", "individual_digits": True}
    honest("digits", tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": [digits, LEVEL]}))
    split = {"type": "Split", "pattern": {"Regex": QWEN}, "behavior": "Isolated", "invert": False}
    honest("split", tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": [split, PLAIN]}))
    honest("whole-text", tokenizer(pre_tokenizer=PLAIN))
    honest("llama", llama())
    meta = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
    honest("metaspace", llama(normalizer=None, pre_tokenizer=meta))
    item = {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}
    template = {
        "type": "TemplateProcessing",
        "single": [item, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [5], "tokens": ["<|endoftext|>"]}},
    }
    honest("template", tokenizer(post_processor={"type": "Sequence", "processors": [LEVEL, template]}))
    honest("roberta", tokenizer(post_processor={"type": "RobertaProcessing", "sep": ["b", 1], "cls": ["a", 0]}))


def damaged(unreadable, base):
    whole = compact(base)
    unreadable("empty", "", "ends at byte 0")
    unreadable("cut-in-vocab", whole[: whole.index('"ab":')], "ends at byte")
    unreadable("cut-in-merges", whole[: whole.index('"merges":') + 14], "ends at byte")
    unreadable("more-behind", whole + "{}", "is complete before byte")
    unreadable("token-twice", whole.replace('"b":1', '"a":1'), 'has the key "a" twice')
    unreadable("model-twice", whole[:-1] + ',"model":{}}', 'has the key "model" twice')
    unreadable("vocab-twice", whole.replace('"merges":', '"vocab":'), 'has the key "vocab" twice')
    unreadable("comma-in-vocab", whole.replace('"b":1', '"b":1,'), "has ','")
    unreadable("no-comma-in-vocab", whole.replace('"b":1,', '"b":1'), "has '\"'")
    unreadable("no-colon", whole.replace('"b":1', '"b" 1'), "has '1'")
    unreadable("number-as-key", whole.replace('"b":1', "1:1"), "has '1'")
    unreadable("leading-zero", whole.replace('"b":1', '"b":01'), "has a number with a leading zero")
    unreadable("huge-number", whole.replace('"b":1', '"b":1e999'), "has a number at byte")
    unreadable("half-a-pair", whole.replace('["a","b"]', '["a",'), "has ','")
    unreadable("open-pair", whole.replace('["a","b"]', '["a","b"'), "has '}'")
    unreadable("control-character", whole.replace('"b":1', '"b\x01":1'), "has the control character")
    unreadable("lone-surrogate", whole.replace('"b":1', '"\\ud800":1'), "escapes half of a surrogate pair")
    unreadable("unknown-escape", whole.replace('"b":1', '"\\x62":1'), "has an unknown escape")
    unreadable("deep-merges", whole.replace('["a","b"]', "[" * 100), "is nested deeper than 64 levels")


def models(lie):
    lie("array", [], "it has no model")
    lie("string", "tokenizer", "it has no model")
    lie("no-model", without(tokenizer(), "model"), "it has no model")
    lie("model-array", tokenizer() | {"model": []}, "it has no model")
    lie("no-type-no-merges", without(without(tokenizer(), "model", "type"), "model", "merges"), "its model has no type")
    lie("type-number", tokenizer({"type": 7}), "its model has no type")
    lie("unigram", tokenizer({"type": "Unigram", "vocab": [["a", 0.0]]}), "its model type is Unigram (SentencePiece's), not BPE")
    lie("wordpiece", tokenizer({"type": "WordPiece"}), "its model type is WordPiece (BERT's), not BPE")
    lie("wordlevel", tokenizer({"type": "WordLevel"}), "its model type is WordLevel (whole words), not BPE")
    lie("other-type", tokenizer({"type": "\x1b[2J"}), 'its model type is "\\u{1B}[2J", not BPE')
    lie("truncation", tokenizer(truncation={"max_length": 5}), "its truncation cuts texts")
    lie("padding", tokenizer(padding={"strategy": "BatchLongest"}), "its padding lengthens texts")
    lie("prefix", tokenizer({"continuing_subword_prefix": "##"}), "its model sets continuing_subword_prefix")
    lie("suffix", tokenizer({"end_of_word_suffix": "</w>"}), "its model sets end_of_word_suffix")
    lie("dropout", tokenizer({"dropout": 0.1}), "its model sets dropout, which leaves out merges at random")
    lie("dropout-string", tokenizer({"dropout": "no"}), "its model sets dropout")
    lie("fallback-number", tokenizer({"byte_fallback": 1}), "its model's byte_fallback is neither true nor false")
    lie("fuse-string", tokenizer({"fuse_unk": "yes"}), "its model's fuse_unk is neither true nor false")
    lie("ignore-string", tokenizer({"ignore_merges": "yes"}), "its model's ignore_merges is neither true nor false")
    lie("unknown-token", tokenizer({"unk_token": "<unk>"}), 'its unknown token "<unk>" is not in its vocabulary')
    lie("unknown-number", tokenizer({"unk_token": 3}), "its unknown token is no string, or is not in its vocabulary")
    half = llama()
    del half["model"]["vocab"]["<0x0A>"]
    half["model"]["vocab"]["x"] = 11
    lie("bytes-missing", half, "it falls back to bytes, and has tokens for 255 of the 256")


def vocabularies(lie):
    lie("no-vocab", without(tokenizer(), "model", "vocab"), "it has no model with a vocab")
    lie("vocab-list", tokenizer({"vocab": ["a"]}), "it has no model with a vocab")
    lie("vocab-empty", tokenizer({"vocab": {}, "merges": []}), "it has no model with a vocab")
    words = tokenizer()["model"]["vocab"]
    for name, value in [
        ("negative", -1), ("fraction", 0.5), ("point", 1.0), ("string", "1"), ("null", None), ("list", [1]),
        ("object", {}), ("huge", 2**63), ("beyond", 2**31),
    ]:
        lie("id-" + name, tokenizer({"vocab": words | {"b": value}}), 'the id of "b" is no whole number', "vocabulary")
    lie("id-twice", tokenizer({"vocab": words | {"b": 0}}), '"a" and "b" both have the id 0', "vocabulary")
    lie("id-far", tokenizer({"vocab": words | {"b": 100000}}), 'the id of "b" is 100000, and there are 5', "vocabulary")
    lie("not-byte-level", tokenizer({"vocab": words | {"\u4e2d": 6}}), 'the token "\u4e2d" is not in byte-level')
    lie("space-in-token", tokenizer({"vocab": words | {"a b": 6}}), 'the token "a b" is not in byte-level')
    lie("empty-token", tokenizer({"vocab": words | {"": 6}}), 'the token "" is not in byte-level')
    lie("empty-llama-token", llama({"vocab": llama()["model"]["vocab"] | {"": 261}}), "token 261 is empty")


def merges(lie):
    lie("no-merges", without(tokenizer(), "model", "merges"), "its model has no list of merges")
    lie("merges-object", tokenizer({"merges": {"a": "b"}}), "its model has no list of merges")
    neither = "a merge is neither a pair of strings nor two strings with a space between them"
    for name, merge in [
        ("three", ["a", "b", "a"]), ("one", ["a"]), ("none", []), ("numbers", [0, 1]), ("number", 7), ("null", None),
        ("object", {"a": "b"}), ("nested", [["a", "b"]]), ("no-space", "ab"), ("two-spaces", "a b a"),
    ]:
        lie("merge-of-" + name, tokenizer({"merges": [merge]}), neither, "vocabulary")
    lie("merge-left", tokenizer({"merges": [["x", "b"]]}), 'merge 0 joins "x", which is no token', "vocabulary")
    lie("merge-right", tokenizer({"merges": [["a", "b"], ["a", "y"]]}), 'merge 1 joins "y", which is no token', "vocabulary")
    lie("merge-empty", tokenizer({"merges": [["", "b"]]}), 'merge 0 joins "", which is no token', "vocabulary")
    lie("merge-result", tokenizer({"merges": [["b", "a"]]}), 'merge 0 makes "ba", which is no token')
    early = tokenizer({})
    early["model"] = {"type": "BPE", "merges": [["a", "z"]], "vocab": early["model"]["vocab"]}
    lie("early-merge", early, 'merge 0 joins "z", which is no token', "vocabulary")


def added_tokens(lie):
    def one(**changes):
        return tokenizer(added_tokens=[END | changes])

    lie("added-object", tokenizer(added_tokens={"a": 1}), "its added tokens are no list")
    lie("added-number", tokenizer(added_tokens=[5]), "an added token has no content")
    lie("added-no-content", tokenizer(added_tokens=[{"id": 5}]), "an added token has no content")
    lie("added-empty", one(content=""), "an added token has no content")
    for name, value in [("missing", None), ("negative", -1), ("point", 5.0), ("string", "5"), ("far", 99999)]:
        lie("added-id-" + name, one(id=value), 'the id of the added token "<|endoftext|>" is no whole number from 0')
    lie("added-taken", one(id=3), 'the added token "<|endoftext|>" has the id 3 of "ab"')
    lie("added-other-id", one(content="ab"), 'the added token "ab" has the id 5, and in the vocabulary 3')
    lie("added-twice", tokenizer(added_tokens=[END, END | {"id": 6}]), 'the added token "<|endoftext|>" stands there twice')
    lie("added-same-id", tokenizer(added_tokens=[END, END | {"content": "x"}]), 'the added tokens "<|endoftext|>" and "x" both')
    for flag in ["special", "normalized", "lstrip", "rstrip", "single_word"]:
        lie("added-" + flag, one(**{flag: "no"}), flag + ' of the added token "<|endoftext|>" is neither true nor false')


def pipelines(lie):
    for name in ["NFD", "NFKC", "Lowercase", "StripAccents", "BertNormalizer", "Precompiled"]:
        lie("normalizer-" + name, tokenizer(normalizer={"type": name}), f'its normalizer is "{name}", and NFC')
    lie("normalizer-strip", tokenizer(normalizer={"type": "Strip"}), 'its normalizer is "Strip", and NFC')
    lie("normalizer-without-type", tokenizer(normalizer={}), "its normalizer is without a type")
    lie("prepend-nothing", tokenizer(normalizer={"type": "Prepend"}), "its normalizer Prepend says no string")
    replace = {"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"}
    lie("replace-regex", tokenizer(normalizer=replace), "its normalizer Replace has a pattern that is no string")
    inner = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "NFKD"}]}
    lie("normalizer-inside", tokenizer(normalizer=inner), 'its normalizer is "NFKD"')
    for name in ["Whitespace", "WhitespaceSplit", "BertPreTokenizer", "Punctuation", "UnicodeScripts"]:
        lie("pre-" + name, tokenizer(pre_tokenizer={"type": name}), f'its pre_tokenizer is "{name}", and ByteLevel')

    def sequence(*steps):
        return tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": list(steps)})

    split = {"type": "Split", "pattern": {"Regex": QWEN}, "behavior": "Isolated", "invert": False}
    lie("regex", sequence(split | {"pattern": {"Regex": "\\w+"}}, PLAIN), 'its pre_tokenizer cuts by "\\w+", and')
    lie("split-string", sequence(split | {"pattern": {"String": " "}}, PLAIN), "its pre_tokenizer Split cuts by a string")
    lie("split-behavior", sequence(split | {"behavior": "Removed"}, PLAIN), 'its pre_tokenizer Split has the behavior "Removed"')
    lie("split-twice", sequence(split, LEVEL), "its pre_tokenizer splits twice")
    lie("split-alone", tokenizer(pre_tokenizer=split), "its pre_tokenizer has steps in an order")
    lie("level-twice", sequence(LEVEL, LEVEL), "its pre_tokenizer has steps in an order")
    lie("split-behind", sequence(PLAIN, split), "its pre_tokenizer has steps in an order")
    digits = {"type": "Digits", "individual_digits": False}
    lie("digits-together", sequence(digits, LEVEL), "its pre_tokenizer Digits keeps digits together")
    lie("digits-alone", sequence(digits | {"individual_digits": True}, PLAIN), "its pre_tokenizer splits nothing but digits")
    lie("space-before-parts", sequence(split, PLAIN | {"add_prefix_space": True}), "its pre_tokenizer puts a space before every")
    meta = {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"}
    lie("metaspace-sign", llama(pre_tokenizer=meta), "its pre_tokenizer Metaspace has another sign")
    scheme = meta | {"replacement": "\u2581", "prepend_scheme": "sometimes"}
    lie("metaspace-scheme", llama(pre_tokenizer=scheme), 'its pre_tokenizer Metaspace has the prepend_scheme "sometimes"')


def decoders(lie):
    lie("no-decoder", tokenizer(decoder=None), "it has no decoder")
    lie("decoder-of-others", tokenizer(decoder={"type": "WordPiece"}), 'its decoder is "WordPiece", and ByteLevel')
    lie("decoder-bpe", tokenizer(decoder={"type": "BPEDecoder"}), 'its decoder is "BPEDecoder", and')
    lie("decoder-llama", tokenizer(decoder=LLAMA_DECODER), "its decoder does not turn back what its pre_tokenizer does")
    lie("decoder-level", llama(decoder=LEVEL), "its decoder does not turn back what its pre_tokenizer does")

    def changed(index, **changes):
        decoder = copy.deepcopy(LLAMA_DECODER)
        decoder["decoders"][index] |= changes
        return llama(decoder=decoder)

    lie("decoder-replaces", changed(0, content="_"), "its decoder replaces something other")
    lie("decoder-strips", changed(3, start=2), "its decoder strips something other than one space")
    lie("decoder-strips-end", changed(3, stop=1), "its decoder strips something other than one space")


def processors(lie):
    lie("processor-other", tokenizer(post_processor={"type": "Other"}), 'its post_processor is "Other", and')
    template = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {}}
    lie("template-missing", tokenizer(post_processor=template | {"single": None}), "its post_processor has no template")
    lie("template-empty", tokenizer(post_processor=template | {"single": []}), "its post_processor has a template with the text 0")
    twice = template | {"single": template["single"] * 2}
    lie("template-twice", tokenizer(post_processor=twice), "its post_processor has a template with the text 2 times")
    other = template | {"single": [{"Other": 1}]}
    lie("template-other", tokenizer(post_processor=other), "its post_processor has a template with something else")
    token = template | {"single": [{"SpecialToken": {"id": "<s>"}}] + template["single"]}
    lie("template-token", tokenizer(post_processor=token), 'its post_processor adds "<s>", which is no token of it')
    listed = token | {"special_tokens": {"<s>": {"ids": [-1]}}}
    lie("template-id", tokenizer(post_processor=listed), 'its post_processor adds "<s>", which is no token of it')
    far = token | {"special_tokens": {"<s>": {"ids": [77]}}}
    lie("template-far", tokenizer(post_processor=far), "a token around texts has the id 77, and there are 6 tokens")
    lie("roberta-empty", tokenizer(post_processor={"type": "RobertaProcessing"}), "its post_processor says no tokens")
