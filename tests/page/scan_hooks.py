"""How schemathesis writes a body of JSON lines: half of the texts that it thinks
of go out as they are, half as a comparison that holds them."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_, value):
    if not isinstance(value, str):
        return json.dumps(value).encode()
    if len(value) % 2 == 1:
        return value.encode(errors="surrogatepass")
    comparison = {"prompt": value or "?", "chosen": value + "a",
                  "rejected": value + "b"}
    return json.dumps(comparison).encode() + b"\n"
