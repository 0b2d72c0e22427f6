"""An index over one shard, which holds the whole small model of weights.py; its other files are honest."""

import json

from .corpus import compact
from .weights import SHAPES

SHARD = "model-00001-of-00001.safetensors"
TOTAL = 4 * sum(shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in SHAPES.values())


def index(change=None, metadata=None):
    """The index; `change` may take, add or replace entries of its map."""
    entries = {"transformer." + name: SHARD for name in SHAPES}
    if change:
        change(entries)
    return compact({"metadata": {"total_size": TOTAL} if metadata is None else metadata, "weight_map": entries})


def make(case):
    def refused(name, content, problem):
        case(name, content, "@: index of shards: " + problem)

    case("base", index())
    case("without-size", index(metadata={}))
    case("with-parameters", index(metadata={"total_parameters": TOTAL // 4, "total_size": TOTAL}))
    case("without-metadata", compact({"weight_map": json.loads(index())["weight_map"]}))
    refused("empty", "", "it cannot be read: JSON ends at byte 0")
    refused("not-an-object", "[]", 'it has no object "weight_map"')
    refused("map-not-object", '{"weight_map":[]}', 'it has no object "weight_map"')
    refused("too-deep", '{"weight_map":' + "[" * 9, "it cannot be read: JSON is nested deeper than 8 levels")
    word = "transformer.wte.weight"
    refused("listed-twice", index()[:-2] + f',"{word}":"{SHARD}"}}}}', f'"{word}" is listed twice')
    refused("shard-number", index(lambda m: m.update({word: 1})), f'tensor "{word}" has no file\'s name')
    for name, shard in [
        ("parent", "../x"), ("root", "/etc/passwd"), ("folder", "a/b"), ("dots", ".."), ("nothing", ""),
        ("backslash", "a\\b"), ("zero", "a\0b"),
    ]:
        shown = shard.replace("\0", "\\u{0}")
        refused(f"escapes-by-{name}", index(lambda m: m.update({word: shard})), f'"{shown}" is no name of a file')
    refused(
        "shard-of-control-characters", index(lambda m: m.update({word: "\x1b[2J/"})), '"\\u{1B}[2J/" is no name of a file'
    )
    refused(
        "shard-missing",
        index(lambda m: m.update({"more": "model-00002-of-00002.safetensors"})),
        'the shard "model-00002-of-00002.safetensors" does not exist',
    )
    refused("tensor-missing", index(lambda m: m.update({"more": SHARD})), f'tensor "more" is listed in "{SHARD}", but is not')
    refused("not-listed", index(lambda m: m.pop(word)), f'tensor "{word}" lies in "{SHARD}", but is not listed')
    case("empty-map", index(lambda m: m.clear()), "@: the weights do not fit the configuration: ", accepted=True)
    for name, total in [("negative", -1), ("fractional", 0.5), ("string", "1"), ("huge", 2**63)]:
        refused(f"size-{name}", index(metadata={"total_size": total}), '"total_size" must be a whole number')
    case("size-wrong", index(metadata={"total_size": TOTAL + 1}))
    case("no-tensors", compact({"weight_map": {}}), "@: the weights do not fit the configuration: ", accepted=True)
