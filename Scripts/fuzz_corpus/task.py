"""Items of a task, one a line."""


def make(case):
    question = '{"question": "a", "choices": ["b", "c"], "answer": 1}\n'
    continuation = '{"context": "a", "continuation": "bc"}\n'
    # The model of the corpus knows no space, which stands between a context and what follows.
    space = "@, line 1: the character U+0020"

    def refused(name, content, reason, number=2):
        case(name, (question if number == 2 else "") + content + "\n", f"@, line {number}: {reason}")

    def question_with(name, members, reason):
        refused(name, '{"question": "a", ' + members + "}", reason)

    case("base", question * 2, space, accepted=True)
    case("continuations", continuation * 2, space, accepted=True)
    case("other-names", '{"query": "a", "choices": ["b", "c"], "gold": 0}\n{"context": "a", "choices": ["b", "c"], "label": "c"}\n',
         space, accepted=True)
    case("no-context", '{"question": "", "choices": ["b", "c"], "answer": 0}\n', "@, line 1: it has no context", accepted=True)
    case("byte-order-mark", "\ufeff" + question, space, accepted=True)
    case("empty", "", "@ is empty")
    case("blank", " \n\t\n", "@ is empty")
    refused("plain-text", "just some text", "JSON has 'j' at byte 0", number=1)
    refused("array", "[]", "the line is no object")
    refused("no-question", '{"choices": ["b", "c"], "answer": 1}', 'it has no "question" or "context" or "query"')
    refused("two-questions", '{"question": "a", "context": "b", "choices": ["b", "c"], "answer": 1}',
            'it has "question" and "context", and one is to be told')
    refused("question-number", '{"question": 4, "choices": ["b", "c"], "answer": 1}', '"question" is no string')
    refused("other-kind", continuation.strip(), "it is of the kind continuation, and those before are of multiple choice")
    question_with("no-choices", '"answer": 1', 'it has no list of "choices"')
    question_with("choices-string", '"choices": "bc", "answer": 1', 'it has no list of "choices"')
    question_with("choices-one", '"choices": ["b"], "answer": 0', 'its "choices" must be two strings or more')
    question_with("choices-empty", '"choices": ["b", ""], "answer": 0', 'its "choices" must be two strings or more')
    question_with("choices-number", '"choices": ["b", 4], "answer": 0', 'its "choices" must be two strings or more')
    question_with("no-answer", '"choices": ["b", "c"]', 'it has no "answer" or "gold" or "label"')
    question_with("two-answers", '"choices": ["b", "c"], "answer": 0, "gold": 1', 'it has "answer" and "gold", and one')
    wrong = '"answer" must be a number from 0 to 1, or one of the choices'
    for name, answer in [
        ("answer-2", "2"), ("answer-negative", "-1"), ("answer-fractional", "0.5"), ("answer-huge", "1e300"),
        ("answer-other", '"d"'), ("answer-null", "null"), ("answer-list", "[0]"), ("answer-beyond-64-bits", "9" * 30),
    ]:
        question_with(name, f'"choices": ["b", "c"], "answer": {answer}', wrong)
    question_with("both", '"choices": ["b", "c"], "answer": 0, "continuation": "b"', 'it has both "choices" and "continuation"')
    question_with("twice", '"choices": ["b", "c"], "answer": 0, "answer": 1', 'JSON has the key "answer" twice')
    for name, value in [("continuation-empty", '""'), ("continuation-number", "4")]:
        refused(name, f'{{"context": "a", "continuation": {value}}}', '"continuation" is no string, or an empty one', number=1)
