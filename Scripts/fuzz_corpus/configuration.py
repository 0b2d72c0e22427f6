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
    refused("another-model", '@: model_type is "mamba"; this version opens "gpt2", "llama", ', model_type="mamba")
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
    make_rotary(case)
    # A configuration that may well be honest, with weights that are not its own.
    misfit = "%/model.safetensors: the weights do not fit the configuration: "
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


ROTARY = {
    "vocab_size": 3,
    "hidden_size": 4,
    "intermediate_size": 6,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 2,
}


def make_rotary(case):
    """The families after GPT-2, whose files are accepted; the weights beside them are GPT-2's."""
    misfit = "%/model.safetensors: the weights do not fit the configuration: "

    def file(family, **keys):
        return compact({"model_type": family} | ROTARY | keys)

    for family in ["llama", "mistral", "qwen2", "qwen3", "arcee", "nanochat"]:
        case(f"{family}", file(family), misfit, accepted=True)
        case(f"{family}-of-nothing", compact({"model_type": family}), misfit, accepted=True)
    llama3 = {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 1,
    }
    case("rope-llama3", file("llama", rope_theta=5e5, rope_scaling=llama3), misfit, accepted=True)
    case("rope-linear", file("qwen2", rope_parameters={"type": "linear", "factor": 2}), misfit, accepted=True)
    types = ["sliding_attention", "full_attention", "sliding_attention"]
    windows = {"use_sliding_window": True, "sliding_window": 1}
    case("windows", file("qwen3", layer_types=types, **windows), misfit, accepted=True)
    case("window-null", file("mistral", sliding_window=None), misfit, accepted=True)

    def refused(name, family, sentence, **keys):
        case(name, file(family, **keys), "@: " + sentence)

    scaling = '"rope_scaling" has the rope_type '
    refused("rope-yarn", "llama", scaling + '"yarn", which', rope_scaling={"type": "yarn", "factor": 2})
    refused("rope-control", "llama", scaling + '"\\u{1B}[2J", which', rope_scaling={"type": "\x1b[2J"})
    refused("rope-type-number", "llama", '"rope_scaling" has a rope_type that is no', rope_scaling={"rope_type": 1})
    refused("rope-not-object", "llama", '"rope_scaling" must be null or an object', rope_scaling=[1])
    refused("rope-key", "llama", '"rope_scaling" has the key "x"', rope_scaling={"rope_type": "linear", "factor": 1, "x": 1})
    refused("rope-factor-0", "llama", '"rope_scaling" needs a number above 0', rope_scaling={"type": "linear", "factor": 0})
    refused("rope-theta-small", "llama", "the base of rotary positions must lie between 1 and", rope_theta=1e-300)
    tiny = {"type": "linear", "factor": 1e-300}
    refused("rope-factor-small", "llama", "the scaling of rotary positions must lie between", rope_scaling=tiny)
    refused("rope-theta-0", "llama", '"rope_theta" must be a number above 0', rope_theta=0)
    reversed_bands = llama3 | {"low_freq_factor": 4, "high_freq_factor": 1}
    refused("rope-bands-reversed", "llama", "Llama 3's scaling needs a factor and two frequencies", rope_scaling=reversed_bands)
    huge = llama3 | {"original_max_position_embeddings": 2.5}
    refused("rope-context-fractional", "llama", '"rope_scaling" needs a whole number', rope_scaling=huge)
    refused("key-value-heads-0", "llama", '"num_key_value_heads" must be null or', num_key_value_heads=0)
    refused("key-value-heads-3", "llama", "2 heads cannot share 3 key-value heads", num_key_value_heads=3)
    refused("head-odd", "qwen3", "rotary positions turn pairs of channels, and the 3", head_dim=3)
    refused("head-huge", "qwen3", "the head size must lie between 1 and", head_dim=2**62)
    refused("head-large", "qwen3", "the model is too large for any memory", head_dim=1 << 24, num_attention_heads=1 << 10)
    refused("window-0", "mistral", '"sliding_window" must be null or a whole number of', sliding_window=0)
    refused("window-huge", "mistral", "the window must lie between 1 and", sliding_window=2**62)
    refused("layers-too-few", "qwen2", '"layer_types" must be a list of one name for each', layer_types=types[:1])
    refused("layers-unknown", "qwen2", '"layer_types" has "x", which', layer_types=["x"] * 3)
    refused("layers-without-window", "qwen2", '"layer_types" has layers with a window', layer_types=types)
    refused("cap-negative", "nanochat", '"final_logit_softcapping" must be null or', final_logit_softcapping=-1)
