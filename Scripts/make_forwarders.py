#!/usr/bin/env python3
"""Writes what follows from the C library's public headers.

Sources/CAutogradV2/forward_<header>.c: for every function a weak forwarder to autograd_v2_impl_<name>, one file and
so one archive member per header. A program's own function of the same name wins, and pulls nothing in.
Sources/CAutogradV2/include/autograd_v2_impl.h: the prototypes of those, which the Swift module implements.
Scripts/c_library/exports.map: what the shared library exports.

    python3 Scripts/make_forwarders.py          write
    python3 Scripts/make_forwarders.py --check  fail where a file is not what it would write
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent / "Sources/CAutogradV2"
HEADERS = ["arena", "autograd_v2", "transformer_v2", "text_utils", "sampling", "dataset", "model_io_v2"]
NOTE = "/* Made by Scripts/make_forwarders.py: do not edit. */\n"


def split(arguments):
    """Splits at commas outside of parentheses."""
    parts, depth, part = [], 0, ""
    for character in arguments:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += character
    return parts + [part.strip()]


def name_of(argument):
    """The name of a parameter, of a function pointer too."""
    pointer = re.search(r"\(\*(\w+)\)", argument)
    return pointer.group(1) if pointer else re.search(r"(\w+)$", argument).group(1)


def functions(header):
    """(result, name, arguments) of every function that a header declares."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / f"include/{header}.h").read_text(), flags=re.S)
    for declaration in re.findall(r"^AUTOGRAD_API (.*?);", text, flags=re.S | re.M):
        declaration = " ".join(declaration.split())
        result, name, arguments = re.match(r"(.*?)(\w+)\( ?(.*)\)$", declaration).groups()
        yield result, name, arguments


def forwarders(header):
    lines = [NOTE, '#include "autograd_v2_impl.h"\n', "\n"]
    for result, name, arguments in functions(header):
        names = [] if arguments == "void" else [name_of(argument) for argument in split(arguments)]
        keyword = "" if result == "void " else "return "
        lines.append(f"AUTOGRAD_WEAK {result}{name}({arguments}) {{\n")
        lines.append(f"  {keyword}autograd_v2_impl_{name}({', '.join(names)});\n}}\n\n")
    return "".join(lines).rstrip("\n") + "\n"


def implementation():
    lines = [NOTE, "#ifndef AUTOGRAD_V2_IMPL_H\n#define AUTOGRAD_V2_IMPL_H\n\n"]
    lines += [f'#include "{header}.h"\n' for header in HEADERS]
    lines.append('#include "autograd_v2_state.h"\n\n#define AUTOGRAD_WEAK __attribute__((weak, visibility("default")))\n')
    for header in HEADERS:
        lines.append(f"\n/* {header}.h */\n")
        lines += [f"{result}autograd_v2_impl_{name}({arguments});\n" for result, name, arguments in functions(header)]
    return "".join(lines + ["\n#endif\n"])


def exports():
    names = ["g_tape", "global_arena"] + [name for header in HEADERS for _, name, _ in functions(header)]
    return NOTE + "{\n  global:\n" + "".join(f"    {name};\n" for name in names) + "  local:\n    *;\n};\n"


def main():
    files = {ROOT / f"forward_{header}.c": forwarders(header) for header in HEADERS}
    files[ROOT / "include/autograd_v2_impl.h"] = implementation()
    files[ROOT.parent.parent / "Scripts/c_library/exports.map"] = exports()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path} is not what Scripts/make_forwarders.py writes: run it")
        sys.exit(1 if stale else 0)
    for path in stale:
        path.write_text(files[path])


main()
