#!/usr/bin/env bash
# Makes libautograd_v2.a and libautograd_v2.so of the objects of a build: link.sh <build's folder> <folder for the result>
#
# All Swift and kernel objects and what they need of the Swift runtime become one object whose symbols are local but
# for the prefix autograd_v2_impl_; the forwarders of each header stay members of their own. The shared library is
# the same, linked. The runtime takes its memory from Sources/CAutogradV2/runtime_heap.c.
set -euo pipefail
bin=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
runtime=$(swift -print-target-info | sed -n 's/.*"runtimeResourcePath" *: *"\(.*\)".*/\1/p')_static/linux
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

objects=()
for module in AutogradV2 AutogradNeuralNetwork AutogradEngine AutogradKernels CAutogradKernels CAutogradSystem AutogradFormats \
  AutogradBase; do
  for object in "$bin/$module.build"/*.o; do
    # A build folder keeps the objects of files that were deleted or moved to another module.
    source=$(basename "$object" .o)
    case "$source" in *.swift) ;; *.c) ;; *) source=$source.swift ;; esac
    if [ -n "$(find "$here/../../Sources/$module" -name "$source" -print -quit)" ]; then objects+=("$object"); fi
  done
done
ld -r --force-group-allocation -o "$work/package.o" "${objects[@]}" "$bin/CAutogradV2.build/state.c.o"
# Swift asks for the size of the runtime's blocks in code of its own.
objcopy --redefine-sym malloc_usable_size=autograd_v2_heap_malloc_usable_size "$work/package.o"

for name in malloc calloc realloc free posix_memalign malloc_usable_size strdup; do
  echo "$name autograd_v2_heap_$name"
done > "$work/heap.symbols"
libraries=()
for name in swift{Core,Glibc,Synchronization,SwiftOnoneSupport} swift_{Concurrency,StringProcessing,RegexParser} \
  swift_Builtin_float dispatch BlocksRuntime; do
  objcopy --redefine-syms="$work/heap.symbols" "$runtime/lib$name.a" "$work/lib$name.a"
  libraries+=("$work/lib$name.a")
done

ld -r --force-group-allocation -o "$work/lines.o" "$work/package.o" "$bin/CAutogradV2.build/runtime_heap.c.o" \
  "$runtime/$(uname -m)/swiftrt.o" --start-group "${libraries[@]}" --end-group
objcopy --wildcard --keep-global-symbol='autograd_v2_impl_*' --keep-global-symbol=g_tape \
  --keep-global-symbol=global_arena "$work/lines.o"
objcopy --strip-debug "$work/lines.o" "$work/engine.o"

forwarders=()
for object in "$bin"/CAutogradV2.build/forward_*.o; do
  copy=$work/$(basename "$object" .c.o).o
  objcopy --strip-debug "$object" "$copy"
  forwarders+=("$copy")
done
rm -f "$out/libautograd_v2.a"
ar rcs "$out/libautograd_v2.a" "$work/engine.o" "${forwarders[@]}"

"${CC:-cc}" -shared -o "$work/whole.so" "$work/lines.o" "${forwarders[@]}" \
  -Wl,--version-script="$here/exports.map" -Wl,-soname,libautograd_v2.so -Wl,-z,defs -Wl,-z,nodelete -Wl,--gc-sections \
  -lstdc++ -lm -lpthread -ldl
# What tells debuggers of files and lines stands in a file of its own.
rm -f "$out/libautograd_v2.so.debug"
objcopy --only-keep-debug --compress-debug-sections "$work/whole.so" "$out/libautograd_v2.so.debug"
(cd "$out" && objcopy --strip-debug --add-gnu-debuglink=libautograd_v2.so.debug "$work/whole.so" libautograd_v2.so)
