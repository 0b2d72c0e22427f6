#!/usr/bin/env bash
# Builds the C library from the package's release build: build.sh <scratch path> <folder for the result>
#
# All Swift and kernel objects and what they need of the Swift runtime become one object whose symbols are local but
# for the prefix autograd_v2_impl_; the forwarders of each header stay members of their own. The shared library is
# the same, linked. The runtime takes its memory from Sources/CAutogradV2/runtime_heap.c.
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
ld -r --force-group-allocation -o "$out/package.o" "${objects[@]}" "$bin/CAutogradV2.build/state.c.o"
# Swift asks for the size of the runtime's blocks in code of its own.
objcopy --redefine-sym malloc_usable_size=autograd_v2_heap_malloc_usable_size "$out/package.o"

for name in malloc calloc realloc free posix_memalign malloc_usable_size strdup; do
  echo "$name autograd_v2_heap_$name"
done > "$out/heap.symbols"
libraries=()
for name in swift{Core,Glibc,Synchronization,SwiftOnoneSupport} swift_{Concurrency,StringProcessing,RegexParser} \
  swift_Builtin_float dispatch BlocksRuntime; do
  objcopy --redefine-syms="$out/heap.symbols" "$runtime/lib$name.a" "$out/lib$name.a"
  libraries+=("$out/lib$name.a")
done

ld -r --force-group-allocation -o "$out/engine.o" "$out/package.o" "$bin/CAutogradV2.build/runtime_heap.c.o" "$runtime/$machine/swiftrt.o" \
  --start-group "${libraries[@]}" --end-group
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
rm "$out/engine.o" "$out/package.o" "$out/heap.symbols" "${forwarders[@]}" "${libraries[@]}"
