"""Makes Tests/Fixtures/blocks.gguf: every type of tensor and of metadata, and what the package gguf reads of them.

Run: python3 Scripts/make_gguf_fixture.py    (needs gguf and numpy; the same file every time)

For each type T there is a tensor "T" with bytes of any kind and a tensor "T.numbers" with `gguf.quants.dequantize` of
them; for each type that we write, "T.input" in F32 and "T.written", `gguf.quants.quantize` of it.
"""

import pathlib

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type

PATH = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "blocks.gguf"
READ = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
WRITTEN = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1"]
# Where a block has its scales, as half precision: bytes of any kind there would be no numbers.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}


def blocks(name, random):
    length, width = GGML_QUANT_SIZES[Type[name]]
    rows, count = 2, 512 // length
    if name in ("F32", "F16"):
        dtype = np.float32 if name == "F32" else np.float16
        numbers = (random.standard_normal((rows, 64)) * 3).astype(dtype)
        numbers[0, :8] = [0, -0.0, 1e-7, -3e-8, 65504, -65504, 6.1e-5, 6e-5]
        return numbers
    data = random.integers(0, 256, (rows, count, width), dtype=np.uint8)
    if name == "BF16":
        data = random.standard_normal((rows, 64)).astype(np.float32).view(np.uint16)[:, 1::2].copy().view(np.uint8)
        return data
    for number, place in enumerate(SCALES[name]):
        scale = (random.standard_normal((rows, count, 1)) * 0.01).astype(np.float16)
        if number == 0:
            scale[0, 0] = 3e-7  # a denormal half
        data[:, :, place : place + 2] = scale.view(np.uint8)
    return data.reshape(rows, count * width)


def inputs(random):
    rows = random.standard_normal((8, 64)).astype(np.float32)
    rows[1] = 0
    rows[2, :32] = np.arange(-16, 16)  # whole numbers: many halves to round
    rows[2, 32:] = np.arange(32) * 0.5 - 127
    rows[3, 0] = -7.25  # farthest from zero on either side
    rows[3, 33] = 7.25
    rows[4] *= 1e-4
    rows[5] *= 1e4
    rows[6] = np.float32(1.5) * np.sign(rows[6])  # all as far from zero
    rows[7] = np.linspace(-1, 1, 64, dtype=np.float32) * np.float32(127 / 64)
    return rows


def main():
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(PATH, "test")
    writer.add_uint8("of.uint8", 200)
    writer.add_int8("of.int8", -100)
    writer.add_uint16("of.uint16", 60000)
    writer.add_int16("of.int16", -30000)
    writer.add_uint32("of.uint32", 4_000_000_000)
    writer.add_int32("of.int32", -2_000_000_000)
    writer.add_uint64("of.uint64", 2**63 + 5)
    writer.add_int64("of.int64", -(2**62))
    writer.add_float32("of.float32", 0.1)
    writer.add_float64("of.float64", 0.1)
    writer.add_bool("of.bool", True)
    writer.add_string("of.string", "größe")
    writer.add_array("of.integers", [1, -2, 3])
    writer.add_array("of.floats", [0.5, 0.25])
    writer.add_array("of.bools", [True, False])
    writer.add_array("of.strings", ["", "a", "größe"])
    for name in READ:
        raw = blocks(name, random)
        kind = Type[name]
        plain = name in ("F32", "F16")
        writer.add_tensor(name, raw, raw_dtype=None if plain else kind)
        numbers = raw.astype(np.float32) if plain else gguf.quants.dequantize(raw, kind)
        writer.add_tensor(name + ".numbers", numbers)
    wide = np.array([0.1, -1e300, 5e-324], dtype=np.float64)
    writer.add_tensor("F64", wide)
    writer.add_tensor("I32", np.array([1, -2], dtype=np.int32))
    for name in WRITTEN:
        rows = inputs(random)
        if name == "F16":
            rows[0, :8] = [65504, 65519, 65520 - 16.5, 2**-24, 2**-25, 2**-25 * 1.0001, 6.1e-5, -(2**-14)]
        if name == "BF16":
            rows[0, :4] = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x00008000], dtype=np.uint32).view(np.float32)
        writer.add_tensor(name + ".input", rows)
        written = gguf.quants.quantize(rows, Type[name])
        writer.add_tensor(name + ".written", written, raw_dtype=None if name == "F16" else Type[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
