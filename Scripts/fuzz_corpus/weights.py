"""A small model's weights; its other files are honest."""

import struct

from .corpus import compact, frame

SHAPES = {
    "wte.weight": [3, 2],
    "wpe.weight": [2, 2],
    "h.0.ln_1.weight": [2],
    "h.0.ln_1.bias": [2],
    "h.0.attn.c_attn.weight": [2, 6],
    "h.0.attn.c_attn.bias": [6],
    "h.0.attn.c_proj.weight": [2, 2],
    "h.0.attn.c_proj.bias": [2],
    "h.0.ln_2.weight": [2],
    "h.0.ln_2.bias": [2],
    "h.0.mlp.c_fc.weight": [2, 8],
    "h.0.mlp.c_fc.bias": [8],
    "h.0.mlp.c_proj.weight": [8, 2],
    "h.0.mlp.c_proj.bias": [2],
    "ln_f.weight": [2],
    "ln_f.bias": [2],
}


def weights(prefix="transformer.", dtype="F32", change=None, value=None):
    """The file; `change` may take, add or replace tensors, each (type, shape, data); `value` is the first number."""

    def pack(number):
        if dtype == "BF16":
            return struct.pack("<f", number)[2:]
        return struct.pack({"F32": "<f", "F16": "<e", "F64": "<d"}[dtype], number)

    tensors, count = {}, 0
    for name, shape in SHAPES.items():
        size = shape[0] * (shape[1] if len(shape) > 1 else 1)
        numbers = [((count + i) * 37 % 19 - 9) / 16 for i in range(size)]
        if count == 0 and value is not None:
            numbers[1] = value
        count += size
        tensors[prefix + name] = (dtype, shape, b"".join(pack(number) for number in numbers))
    if change:
        change(tensors)
    header, data = {}, b""
    for name, (kind, shape, content) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    return frame(compact(header), data)


def make(case):
    def refused(name, content, problem):
        case(name, content, "@: the weights do not fit the configuration: " + problem)

    case("base", weights())
    case("without-prefix", weights(prefix=""))
    case("float64", weights(dtype="F64"))
    case("float16", weights(dtype="F16"))
    case("bfloat16", weights(dtype="BF16"))
    case(
        "with-masks",
        weights(
            change=lambda t: t.update(
                {
                    "transformer.h.0.attn.bias": ("BOOL", [1, 1, 2, 2], bytes(4)),
                    "lm_head.weight": t["transformer.wte.weight"],
                }
            )
        ),
    )
    refused("tensor-missing", weights(change=lambda t: t.pop("transformer.ln_f.bias")), "ln_f.bias is missing")
    refused("all-missing", frame("{}"), "wte.weight is missing; wpe.weight is missing; h.0.ln_1.weight is missing; ")
    refused("tensor-unexpected", weights(change=lambda t: t.update({"x": ("U8", [0], b"")})), '"x" is unexpected')
    refused(
        "unexpected-with-control-characters",
        weights(change=lambda t: t.update({"\x1b[2J": ("U8", [0], b"")})),
        '"\\u{1B}[2J" is unexpected',
    )
    refused(
        "with-and-without-prefix",
        weights(change=lambda t: t.update({"ln_f.bias": t["transformer.ln_f.bias"]})),
        '"ln_f.bias" is unexpected',
    )
    refused(
        "shape-transposed",
        weights(change=lambda t: t.update({"transformer.wte.weight": ("F32", [2, 3], bytes(24))})),
        "transformer.wte.weight has shape [2, 3], expected [3, 2]",
    )
    refused(
        "integers",
        weights(change=lambda t: t.update({"transformer.wte.weight": ("I32", [3, 2], bytes(24))})),
        "transformer.wte.weight is I32, expected real numbers",
    )
    infinite = "@: not all weights are finite numbers: wte.weight holds "
    case("not-a-number", weights(value=float("nan")), infinite + "nan at index 1")
    case("infinity", weights(value=float("-inf")), infinite + "-inf at index 1")
    refused(
        "head-differs",
        weights(change=lambda t: t.update({"lm_head.weight": ("F32", [3, 2], struct.pack("<6f", *[-9 / 16] * 6))})),
        "lm_head.weight differs from transformer.wte.weight at index 1 (-0.5625), although config.json ties them",
    )
    refused(
        "head-of-another-shape",
        weights(change=lambda t: t.update({"lm_head.weight": ("F32", [2, 2], bytes(16))})),
        "lm_head.weight has shape [2, 2], expected [3, 2]",
    )
    for wrapper, whose in [("_orig_mod.", "torch.compile's"), ("module.", "DataParallel's")]:
        refused(
            "wrapped-" + wrapper.strip("._"),
            weights(prefix=wrapper + "transformer."),
            f'all 16 names begin with "{wrapper}", which is {whose}: save the model inside of it, or rename '
            f'"{wrapper}transformer.wte.weight" to "transformer.wte.weight"',
        )
    case(
        "cut",
        weights()[:-1],
        '@: safetensors: tensor "transformer.ln_f.bias" ends at 352, but the data has 351',
    )
    case("empty", b"", "@: safetensors: the file has 0 bytes")
