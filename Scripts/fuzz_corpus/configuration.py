"""A small model's config.json; its other files are honest."""

import json

from .corpus import compact

CONFIGURATION = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "vocab_size": 3,
    "n_positions": 2,
    "n_ctx": 2,
    "n_embd": 2,
    "n_layer": 1,
    "n_head": 1,
    "n_inner": None,
    "activation_function": "gelu_new",
    "resid_pdrop": 0.0,
    "layer_norm_epsilon": 1e-5,
    "tie_word_embeddings": True,
    "bias": True,
}


def make(case):
    def changed(**changes):
        return compact({key: value for key, value in (CONFIGURATION | changes).items() if value != "absent"})

    def refused(name, sentence, accepted=False, **changes):
        case(name, changed(**changes), sentence, accepted)

    case("base", json.dumps(CONFIGURATION, indent=2))
    case(
        "smallest",
        changed(
            architectures="absent",
            model_type="absent",
            activation_function="absent",
            n_ctx="absent",
            n_inner="absent",
            resid_pdrop="absent",
            layer_norm_epsilon="absent",
            tie_word_embeddings="absent",
            bias="absent",
        ),
    )
    case("n-ctx-only", changed(n_positions="absent"))
    case("not-an-object", "[]", '@: the key "vocab_size" is missing')
    refused("another-model", '@: model_type is "llama"; this version opens "gpt2"', model_type="llama")
    refused("model-of-control-characters", '@: model_type is "\\u{1B}[2J"; this version', model_type="\x1b[2J")
    refused("model-not-string", '@: "model_type" must be a string', model_type=2)
    refused(
        "another-activation",
        '@: "activation_function" is "mish", which this version cannot compute; it has "gelu_new", ',
        activation_function="mish",
    )
    for key in ["vocab_size", "n_layer", "n_head", "n_embd"]:
        refused(f"{key}-missing", f'@: the key "{key}" is missing', **{key: "absent"})
    refused("size-fractional", '@: "n_layer" must be a whole number', n_layer=1.5)
    refused("size-string", '@: "n_layer" must be a whole number', n_layer="1")
    refused("size-null", '@: "n_layer" must be a whole number', n_layer=None)
    refused("size-0", "@: the number of layers must lie between 1 and 16777216, got 0", n_layer=0)
    refused("size-negative", "@: the number of channels must lie between 1 and 16777216, got -2", n_embd=-2)
    refused("size-beyond-64-bits", '@: "n_embd" must be a whole number', n_embd=2**63)
    refused(
        "size-largest",
        f"@: the number of channels must lie between 1 and 16777216, got {2**63 - 1}",
        n_embd=2**63 - 1,
    )
    refused(
        "size-smallest", f"@: the number of channels must lie between 1 and 16777216, got {-2**63}", n_embd=-(2**63)
    )
    refused(
        "context-largest",
        f"@: the block size must lie between 1 and 16777216, got {2**63 - 1}",
        n_positions=2**63 - 1,
    )
    refused("heads-do-not-divide", "@: 2 channels do not divide into 3 heads", n_head=3)
    refused("too-wide", "@: the model is too large for any memory", n_embd=1 << 24)
    refused("too-many-words", "@: the model is too large for any memory", vocab_size=1 << 24, n_embd=1 << 17)
    refused("too-long", "@: the model is too large for any memory", n_positions=1 << 24, n_embd=1 << 17)
    refused("too-deep", "@: the model is too large for any memory", n_layer=1 << 17)
    refused("inner-too-wide", "@: the model is too large for any memory", n_inner=1 << 24, n_embd=1 << 17)
    refused("inner-0", '@: "n_inner" must be null or a whole number from 1', n_inner=0)
    refused("inner-huge", '@: "n_inner" must be null or a whole number from 1', n_inner=2**62)
    refused("inner-fractional", '@: "n_inner" must be null or a whole number from 1', n_inner=8.5)
    refused("dropout-1", "@: dropout must be at least 0 and below 1, got 1.0", resid_pdrop=1.0)
    refused("dropout-string", '@: "resid_pdrop" must be a number', resid_pdrop="0")
    refused("epsilon-negative", '@: "layer_norm_epsilon" must be a number from 0 to 1', layer_norm_epsilon=-1e-5)
    refused("epsilon-huge", '@: "layer_norm_epsilon" must be a number from 0 to 1', layer_norm_epsilon=1e300)
    refused("bias-not-boolean", '@: "bias" must be true or false', bias=1)
    refused("tie-not-boolean", '@: "tie_word_embeddings" must be true or false', tie_word_embeddings="yes")
    case(
        "duplicate-key", compact(CONFIGURATION)[:-1] + ',"n_embd":4}', '@: JSON has the key "n_embd" twice'
    )
    case("relu", changed(activation_function="relu", embd_pdrop=0.1, attn_pdrop=0.2))
    case(
        "harmless-keys",
        changed(use_cache=True, bos_token_id=1, eos_token_id=[1, 2], task_specific_params={"a": 1}, scale_attn_weights=True),
    )
    # Keys that change what a model computes.
    for key, value, known in [
        ("scale_attn_weights", False, "; it has true"),
        ("scale_attn_by_inverse_layer_idx", True, "; it has false"),
        ("add_cross_attention", True, "; it has false"),
        ("quantization_config", {"bits": 4}, ""),
        ("auto_map", {"AutoModel": "x.py"}, ""),
    ]:
        shown = json.dumps(value, separators=(",", ":"))
        refused(
            f"{key}-changed", f'@: "{key}" is {shown}, which this version cannot compute{known}', **{key: value}
        )
    refused("key-unknown", '@: the key "rotary\\u{1B}" is not known to this version', **{"rotary\x1b": 1})
    # A configuration that may well be honest, with weights that are not its own.
    misfit = "%/model.safetensors: the weights do not fit config.json: "
    far = misfit + "config.json describes a model many times the size of"
    refused("not-of-the-weights-by-layers", far, accepted=True, n_layer=1 << 16)
    refused("not-of-the-weights-by-channels", far, accepted=True, n_embd=1 << 19)
    refused("not-of-the-weights-by-words", far, accepted=True, vocab_size=1 << 24)
    refused(
        "not-of-the-weights",
        misfit + "transformer.wte.weight has shape [3, 2], expected [4, 2]",
        accepted=True,
        vocab_size=4,
    )
