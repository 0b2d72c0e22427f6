"""Heads of requests, with bodies in chunks behind some."""


def make(case):
    def head(name, first="GET / HTTP/1.1", *fields, accepted=False, body=b"", host=True):
        lines = [first] + (["Host: a"] if host else []) + list(fields)
        text = "\r\n".join(lines) + "\r\n\r\n"
        case(name, text.encode("latin-1") + body, accepted=accepted)

    def chunked(name, body, accepted=True):
        head(name, "POST / HTTP/1.1", "Transfer-Encoding: chunked", accepted=accepted, body=body)

    head("base", accepted=True)
    head("body", "POST /v1/completions?x=1 HTTP/1.1", "Content-Length: 2", "Content-Type: application/json", accepted=True, body=b"{}")
    head("version-1.0", "GET / HTTP/1.0", host=False, accepted=True)
    head("spaces", "GET / HTTP/1.1", "X:  \t a b \t", accepted=True)
    head("length-0", "POST / HTTP/1.1", "Content-Length: 0", accepted=True)
    chunked("chunks", b"5\r\nhello\r\n1;a=b\r\n \r\n0\r\nTrailer: x\r\n\r\nGET")
    chunked("chunks-upper-case", b"0A\r\n0123456789\r\n0\r\n\r\n")
    chunked("chunks-cut", b"5\r\nhel")
    chunked("chunk-too-long", b"2\r\nhello\r\n0\r\n\r\n")
    chunked("chunk-size-missing", b"\r\nhello")
    chunked("chunk-size-negative", b"-1\r\n")
    chunked("chunk-size-huge", b"ffffffffffffffff\r\n")
    chunked("chunk-over-the-limit", b"fffff\r\n")
    chunked("chunk-line-feed", b"5\nhello\r\n")
    chunked("chunk-extension-long", b"1;" + b"a" * 300 + b"\r\n")
    chunked("trailers-long", b"0\r\n" + (b"a" * 60 + b"\r\n") * 20)

    case("empty", "", accepted=False)
    case("line-feeds", "GET / HTTP/1.1\nHost: a\n\n", accepted=False)
    case("carriage-return", "GET / HTTP/1.1\rHost: a\r\n\r\n", accepted=False)
    case("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", accepted=False)
    head("no-host", host=False)
    head("two-hosts", "GET / HTTP/1.1", "Host: b")
    for name, first in [
        ("one-word", "GET"), ("two-words", "GET /"), ("four-words", "GET / a HTTP/1.1"), ("two-spaces", "GET  / HTTP/1.1"),
        ("long-method", "A" * 17 + " / HTTP/1.1"), ("method-of-control-characters", "G\x01T / HTTP/1.1"),
        ("absolute", "GET http://a/ HTTP/1.1"), ("star", "OPTIONS * HTTP/1.1"), ("path-with-zero", "GET /\0 HTTP/1.1"),
        ("path-not-ascii", "GET /\xe9 HTTP/1.1"), ("version-2", "PRI / HTTP/2.0"), ("version-lower-case", "GET / http/1.1"),
    ]:
        head(name, first)
    for name, field in [
        ("space-before-colon", "X : a"), ("folded", " folded"), ("no-name", ": a"), ("no-colon", "X"), ("value-of-control-characters", "X: \x01"),
        ("value-not-ascii", "X: \xe9"), ("length-negative", "Content-Length: -1"), ("length-plus", "Content-Length: +1"),
        ("length-list", "Content-Length: 1,1"), ("length-hexadecimal", "Content-Length: 0x1"), ("length-empty", "Content-Length:"),
        ("length-huge", "Content-Length: " + "9" * 30), ("coding-gzip", "Transfer-Encoding: gzip"),
        ("coding-two", "Transfer-Encoding: gzip, chunked"),
    ]:
        head(name, "POST / HTTP/1.1", field)
    head("two-lengths", "POST / HTTP/1.1", "Content-Length: 1", "Content-Length: 1")
    head("length-and-coding", "POST / HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked")
    head("coding-in-1.0", "POST / HTTP/1.0", "Transfer-Encoding: chunked")
    head("many-fields", "GET / HTTP/1.1", *[f"X{i}: a" for i in range(17)])
