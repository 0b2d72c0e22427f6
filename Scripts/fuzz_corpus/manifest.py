"""A checkpoint's manifest.

The command believes it only where hashes fit: what becomes of it is tested with the store.
"""

from .corpus import HASH, compact

MANIFEST = {
    "format": "swift-autograd checkpoint",
    "version": 1,
    "files": [
        {"name": "config.json", "bytes": 478, "sha256": HASH},
        {"name": "model.safetensors", "bytes": 2624, "sha256": HASH},
    ],
}


def make(case):
    def manifest(name, accepted=False, **changes):
        case(name, compact(MANIFEST | changes), accepted=accepted)

    def entry(case_name, **changes):
        manifest(case_name, files=[MANIFEST["files"][0] | changes])

    manifest("base", accepted=True)
    manifest("another-format", format="a checkpoint")
    manifest("another-version", version=2)
    manifest("no-files", files=[])
    manifest("files-not-array", files={"name": "x"})
    manifest("entry-not-object", files=[1])
    for number, name in enumerate(["", ".", "..", "../config.json", "/etc/passwd", "a/b", "a\0b"]):
        entry(f"name-{number}", name=name)
    entry("name-number", name=1)
    entry("bytes-negative", bytes=-1)
    entry("bytes-fractional", bytes=0.5)
    entry("bytes-huge", bytes=2**64)
    entry("hash-short", sha256=HASH[1:])
    case("duplicate-key", compact(MANIFEST)[:-1] + ',"files":[]}', accepted=False)
    case("cut", compact(MANIFEST)[:-1], accepted=False)
    case("empty", b"", accepted=False)
