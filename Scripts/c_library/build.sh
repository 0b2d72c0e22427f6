#!/usr/bin/env bash
# Builds the C library from the package's release build: build.sh <scratch path> <folder for the result>
#
# All Swift and kernel objects and what they need of the Swift runtime become one object whose symbols are local but
# for the prefix autograd_v2_impl_; the forwarders of each header stay members of their own. The shared library is
# the same, linked.
set -euo pipefail
cd "$(dirname "$0")/../.."
scratch=$1 out=$2
mkdir -p "$out"
out=$(cd "$out" && pwd)

swift build -c release --scratch-path "$scratch" --target AutogradV2
bin=$(swift build -c release --scratch-path "$scratch" --show-bin-path)
runtime=$(swift -print-target-info | sed -n 's/.*"runtimeResourcePath" *: *"\(.*\)".*/\1/p')_static/linux
machine=$(uname -m)

objects=()
for module in AutogradV2 NeuralNetwork Autograd Kernels CKernels CSystem ModelFormats Base; do
  objects+=("$bin/$module.build"/*.o)
done
objects+=("$bin/CAutogradV2.build/state.c.o")

ld -r --force-group-allocation -o "$out/engine.o" "${objects[@]}" "$runtime/$machine/swiftrt.o" \
  --start-group "$runtime"/libswift{Core,Glibc,Synchronization,SwiftOnoneSupport}.a \
  "$runtime"/libswift_{Concurrency,StringProcessing,RegexParser,Builtin_float}.a \
  "$runtime"/lib{dispatch,BlocksRuntime}.a --end-group
objcopy --strip-debug --wildcard --keep-global-symbol='autograd_v2_impl_*' --keep-global-symbol=g_tape \
  --keep-global-symbol=global_arena "$out/engine.o"

forwarders=()
for object in "$bin"/CAutogradV2.build/forward_*.o; do
  copy=$out/$(basename "$object" .c.o).o
  objcopy --strip-debug "$object" "$copy"
  forwarders+=("$copy")
done
rm -f "$out/libautograd_v2.a"
ar rcs "$out/libautograd_v2.a" "$out/engine.o" "${forwarders[@]}"

"${CC:-cc}" -shared -o "$out/libautograd_v2.so" "$out/engine.o" "${forwarders[@]}" \
  -Wl,--version-script=Scripts/c_library/exports.map -Wl,-soname,libautograd_v2.so -Wl,-z,defs -Wl,--gc-sections \
  -lstdc++ -lm -lpthread -ldl
rm "$out/engine.o" "${forwarders[@]}"
