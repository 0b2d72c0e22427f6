"""What all targets share: files and their lines, compact JSON, the frame of safetensors."""

import json
import shutil
import struct

HASH = "0123456789abcdef" * 4


class Corpus:
    """A folder of inputs that is made anew, and the line of each in its sentences.txt."""

    def __init__(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        self.folder = folder
        self.lines = []

    def case(self, target, name, content, sentence=None, accepted=None):
        """Writes a file; without a sentence an honest one.

        Some honest files do not suit the command: they are accepted, too.
        """
        if isinstance(content, str):
            content = content.encode()
        folder = self.folder / target
        folder.mkdir(parents=True, exist_ok=True)
        assert not (folder / name).exists(), name
        (folder / name).write_bytes(content)
        accepted = sentence is None if accepted is None else accepted
        self.lines.append(f"{target}/{name}\t{'accepted' if accepted else 'refused'}\t{sentence or '-'}")

    def write_sentences(self):
        (self.folder / "sentences.txt").write_text("\n".join(self.lines) + "\n")


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def frame(header, data=b"", length=None):
    header = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(header) if length is None else length) + header + data
