"""Writes Sources/AutogradText/BytePair/Unicode/*Ranges.swift: what other tools take for letters, numbers, white space, and
what their normalisation form C does. The tools are asked, since each has tables of another version of Unicode.

Usage: python Scripts/make_unicode_tables.py     (packages tokenizers 0.23 and tiktoken 0.14, which agree)
"""

import pathlib
import sys
import unicodedata

import tiktoken
from tokenizers import Regex, normalizers, pre_tokenizers

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Sources/AutogradText/BytePair/Unicode"
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
BLOCKS = [SCALARS[i : i + 0x4000] for i in range(0, len(SCALARS), 0x4000)]
# In the order of their numbers, from 1.
CATEGORIES = [r"[\p{Lu}\p{Lt}]", r"\p{Ll}", r"[\p{Lm}\p{Lo}]", r"\p{M}", r"\p{N}", r"\s"]


def oniguruma(expression):
    """The characters that an expression of `tokenizers` matches."""
    split, found = pre_tokenizers.Split(Regex(expression), "removed"), set()
    for block in BLOCKS:
        kept = set()
        for piece, _ in split.pre_tokenize_str("".join(map(chr, block))):
            kept.update(map(ord, piece))
        found.update(set(block) - kept)
    return found


def rust(expression):
    """The characters that an expression of `tiktoken` matches: what it does not match has no tokens."""
    encoding = tiktoken.Encoding(
        "classes", pat_str=expression, mergeable_ranks={bytes([i]): i for i in range(256)}, special_tokens={}
    )
    found = set()
    for block in BLOCKS:
        found.update(map(ord, encoding.decode(encoding.encode_ordinary("".join(map(chr, block))))))
    return found


def digits():
    """The characters that `Digits` of `tokenizers` cuts off."""
    cut, found = pre_tokenizers.Digits(individual_digits=True), set()
    for block in BLOCKS:
        pieces = cut.pre_tokenize_str("a" + "".join(chr(c) + "a" for c in block))
        found.update(ord(piece) for piece, _ in pieces if len(piece) == 1 and piece != "a")
    return found


def class_ranges():
    told = [0] * 0x110000
    for number, expression in enumerate(CATEGORIES, 1):
        found = oniguruma(expression)
        differences = found ^ rust(expression)
        assert not differences, f"the tools differ about {len(differences)} characters of {expression}"
        print(f"{expression}: {len(found)} characters")
        for c in found:
            assert told[c] == 0, f"U+{c:04X} has two categories"
            told[c] = number
    for bit, found in ((0x40, digits()), (0x80, rust(r"\w"))):
        for c in found:
            told[c] |= bit
    return [c << 8 | told[c] for c in range(0x110000) if c == 0 or told[c] != told[c - 1]]


def normalization():
    """Decompositions in one step that the tool knows, and combining classes that it knows."""
    nfc, nfd = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
    pairs, singles, classes = [], [], [0] * 0x110000
    for c in SCALARS:
        parts = unicodedata.decomposition(chr(c)).split()
        if parts and not parts[0].startswith("<") and nfd(chr(c)) != chr(c):
            parts = [int(part, 16) for part in parts]
            assert nfd(chr(c)) == unicodedata.normalize("NFD", chr(c)), f"U+{c:04X}"
            if len(parts) == 1:
                singles.append((c, parts[0]))
            else:
                composes = nfc(chr(parts[0]) + chr(parts[1])) == chr(c)
                pairs.append((c | (0 if composes else 1 << 31), parts[0], parts[1]))
        elif nfd(chr(c)) != chr(c):
            assert 0xAC00 <= c < 0xD7A4, f"U+{c:04X} is decomposed by the tool, and not known here"
        order = unicodedata.combining(chr(c))
        # A mark that the tool knows changes places with one of another class.
        other = "\u0334" if order > 1 else "\u0301"
        if order and nfd("a" + (chr(c) + other if order > 1 else other + chr(c))) != "a" + (
            nfd(chr(c)) + other if order > 1 else other + nfd(chr(c))
        ):
            classes[c] = order
        elif order:
            print(f"the tool does not know the class of U+{c:04X}", file=sys.stderr)
    ranges = [c << 8 | classes[c] for c in range(0x110000) if c == 0 or classes[c] != classes[c - 1]]
    return pairs, singles, ranges


def literal(numbers):
    text, line = "", "    "
    for number in numbers:
        word = f"{number:#x}, "
        if len(line) + len(word) > 119:
            text += line.rstrip() + "\n"
            line = "    "
        line += word
    return text + line.rstrip() + "\n"


def array(documentation, name, numbers):
    return f"  /// {documentation}\n  static let {name}: [UInt32] = [\n{literal(numbers)}  ]\n"


def write(name, documentation, body):
    source = f"// Made by Scripts/make_unicode_tables.py; not to be changed by hand.\n\n/// {documentation}\n"
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.swift").write_text(source + f"enum {name} {{\n{body}}}\n")


def main():
    ranges = class_ranges()
    write(
        "CharacterClassRanges", "Where characters of other classes begin; see `CharacterClasses`.",
        array(
            "First code point << 8 | word << 7 | digit << 6 | category.",
            "ranges", ranges))
    pairs, singles, combining = normalization()
    write(
        "NormalizationRanges", "What normalisation form C of tokenizers knows; Hangul is computed.",
        array(
            "Code point, and the two that it is decomposed into; with bit 31 where they are not composed again.",
            "pairs", [number for pair in pairs for number in pair])
        + array("Code point, and the one that stands for it.", "singles", [n for single in singles for n in single])
        + array("First code point << 8 | combining class.", "combiningClasses", combining))


main()
