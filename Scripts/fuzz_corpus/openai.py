"""Bodies of requests, as OpenAI's clients send them and otherwise."""

import json

from .corpus import compact

COMPLETION = {
    "model": "m", "prompt": "Once", "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "n": 2,
    "stream": True, "stream_options": {"include_usage": True}, "logprobs": 3, "echo": True, "stop": ["a", "bc"],
    "presence_penalty": 0.5, "frequency_penalty": -0.5, "repetition_penalty": 1.1, "logit_bias": {"5": -100, "7": 2.5},
    "seed": 42,
}
CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Who"}, {"type": "text", "text": " is there?"}]},
        {"role": "assistant", "content": "Nobody.", "refusal": None, "tool_calls": []},
        {"role": "user", "content": "Good."},
    ],
    "max_completion_tokens": 9, "logprobs": True, "top_logprobs": 4, "stop": "\n", "response_format": {"type": "text"},
}
MESSAGE = {"role": "user", "content": "a"}


def make(case):
    def completion(name, accepted=False, **changes):
        case(name, compact({"prompt": "a"} | changes), accepted=accepted)

    def chat(name, accepted=False, **changes):
        case(name, compact({"messages": [MESSAGE]} | changes), accepted=accepted)

    case("base", compact(COMPLETION))
    case("chat", compact(CHAT))
    completion("least", accepted=True)
    chat("chat-least", accepted=True)
    completion("texts", accepted=True, prompt=["a", "b"])
    completion("tokens", accepted=True, prompt=[1, 2])
    completion("lists-of-tokens", accepted=True, prompt=[[1], [2, 3]])
    completion("nulls", accepted=True, n=None, stop=None, tools=None, best_of=None, seed=None)
    completion("idle-fields", accepted=True, best_of=1, suffix="", store=False, service_tier="auto")
    completion("stop-emoji", accepted=True, stop="\U0001F600")
    chat("developer", accepted=True, messages=[{"role": "developer", "content": "a"}, MESSAGE])

    case("empty", "", accepted=False)
    case("array", "[]", accepted=False)
    case("cut", compact(COMPLETION)[:60], accepted=False)
    case("twice", '{"prompt":"a","prompt":"b"}', accepted=False)
    case("twice-escaped", '{"prompt":"a","\\u0070rompt":"b"}', accepted=False)
    case("deep", '{"prompt":' + "[" * 40 + "]" * 40 + "}", accepted=False)
    case("not-utf-8", b'{"prompt":"\xc3\x28"}', accepted=False)
    case("lone-surrogate", '{"prompt":"\\ud800"}', accepted=False)
    case("form", "prompt=a&max_tokens=3", accepted=False)
    case("both", compact(COMPLETION | CHAT), accepted=False)
    for name, prompt in [
        ("none", None), ("empty", ""), ("number", 3), ("object", {}), ("list", []), ("mixed", ["a", 1]), ("mixed-lists", [[1], 2]),
        ("negative", [-1]), ("fraction", [0.5]), ("beyond-32-bits", [1 << 40]), ("no-tokens", [[]]), ("many", ["a"] * 17),
    ]:
        completion("prompt-" + name, prompt=prompt)
    for field, values in {
        "max_tokens": [-1, 1.5, "3"], "temperature": [-0.1, 2.5, "hot"], "top_p": [-1, 1.5], "top_k": [-1, 0.5], "min_p": [-1, 2],
        "n": [0, 17, 1.5], "presence_penalty": [-3, 3], "frequency_penalty": [-3, "1"], "repetition_penalty": [0, -1],
        "seed": [-1, 0.5, 1 << 70], "stop": ["", [""], [1], {}, ["a"] * 17], "logprobs": [6, True], "echo": [1], "stream": ["yes"],
        "logit_bias": [[], {"a": 1}, {"1": 101}, {"1": "1"}, {"1": 1, "01": 1}, {"-1": 1}], "model": [1],
        "stream_options": [{"include_usage": True}], "best_of": [2], "suffix": ["b"], "user": ["u"], "top_logprobs": [1],
    }.items():
        for number, value in enumerate(values):
            completion(f"{field}-{number}", **{field: value})
    completion("unknown", colour="red")
    completion("unknown-of-control-characters", **{"\u001b[2J": 1})
    completion("options-unknown", stream=True, stream_options={"other": True})
    for name, messages in [
        ("none", None), ("empty", []), ("string", "a"), ("strings", ["a"]), ("no-role", [{"content": "a"}]),
        ("no-content", [{"role": "user"}]), ("role-tool", [{"role": "tool", "content": "a"}]),
        ("role-of-control-characters", [{"role": "\u001b[2J", "content": "a"}]),
        ("content-number", [{"role": "user", "content": 3}]), ("name", [MESSAGE | {"name": "n"}]),
        ("image", [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
        ("part-without-text", [{"role": "user", "content": [{"type": "text"}]}]),
        ("tool-call", [{"role": "assistant", "content": "a", "tool_calls": [{"id": "1"}]}]),
        ("key-of-control-characters", [MESSAGE | {"\u001b[2J\n": 1}]),
    ]:
        chat("messages-" + name, messages=messages)
    chat("two-lengths", max_tokens=1, max_completion_tokens=1)
    chat("top-without-logprobs", top_logprobs=3)
    chat("logprobs-number", logprobs=2)
    chat("tools", tools=[{"type": "function"}])
    chat("format-json", response_format={"type": "json_object"})
    case("pretty", json.dumps(COMPLETION, indent=1), accepted=True)
