"""Prints PythonFixture.swift: a file written by the `safetensors` package.

Run: pip install numpy==2.4.6 safetensors==0.8.0
     python Scripts/make_safetensors_fixture.py > Tests/AutogradFormatsTests/PythonFixture.swift
"""
import numpy as np
from safetensors import TensorSpec, serialize

arrays = {
    "weight": ("float32", np.array([[1.5, -2.25, 3e-8], [0.1, np.inf, -0.0]], np.float32)),
    "half": ("float16", np.array([1.5, -65504, 6e-8, 0.333], np.float16)),
    "brain": ("bfloat16", np.array([0x3F80, 0xC2F7], np.uint16)),
    "wide": ("float64", np.array(0.1, np.float64)),
    "steps": ("int64", np.array([-1, 2**40], np.int64)),
    "empty": ("float32", np.zeros((0, 3), np.float32)),
    "größe": ("int8", np.array([-128, 127], np.int8)),
}
specs = {
    name: TensorSpec(dtype=dtype, shape=a.shape, data_ptr=a.ctypes.data, data_len=a.nbytes)
    for name, (dtype, a) in arrays.items()
}
data = bytes(serialize(specs, metadata={"format": "pt"}))
length = int.from_bytes(data[:8], "little")
print("/// A file written by the Python package `safetensors`; made by Tests/Scripts/make_safetensors_fixture.py.")
print("enum PythonFixture {")
print("  static let header = #\"\"\"")
header = data[8 : 8 + length].decode()
print("    " + header.rstrip(" ").replace("},", "},\\#n").replace("\\#n", "\\#\n    "))
print("    \"\"\"#")
print(f"  static let headerByteCount = {length}")
print("  static let data: [UInt8] = [")
body = data[8 + length :]
for i in range(0, len(body), 16):
    print("    " + ", ".join(f"0x{b:02x}" for b in body[i : i + 16]) + ",")
print("  ]")
print("}")
