"""Posts bodies that are made to hurt, signed (the worst case: whoever sends them has the secret), and checks the
answers: always one of the client errors, in good time.

usage: hostile-bodies.py URL

Prints `name: status` for each wrong answer, and at last the number of bodies posted.
"""

import base64
import gzip
import hashlib
import hmac
import http.client
import os
import sys
import time
import urllib.parse
import zlib

address = urllib.parse.urlsplit(sys.argv[1])
key = os.environ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"].encode()


def event(payload=b'"sessionId":"HOSTILE","timestamp":"2025-06-12T10:56:51Z"', before=b"", after=b""):
    return b'{%s"event":"SESSION_STARTED","payload":{%s}%s}' % (before, payload, after)


def bomb(count):
    """A gzip member of `count` zeros, made in constant memory."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(count >> 20)) + packer.flush()


good = b'"sessionId":"HOSTILE","timestamp":"2025-06-12T10:56:51Z"'
gzipped = {"Content-Encoding": "gzip"}
cases = [
    # name, body, further headers, allowed statuses
    ("gzip bomb of 64 MiB in one member", bomb(64 << 20), gzipped, {413}),
    ("gzip bomb just above the limit", gzip.compress(b" " * 65537), gzipped, {413}),
    ("gzip of gzip", gzip.compress(gzip.compress(event())), gzipped, {400}),
    ("many empty gzip members", gzip.compress(b"") * 2000, gzipped, {400, 413}),
    ("cut off gzip", gzip.compress(event())[:-9], gzipped, {400}),
    ("gzip with a wrong checksum", gzip.compress(event())[:-8] + bytes(8), gzipped, {400}),
    ("gzip that is none", b"hello", gzipped, {400}),
    ("two content codings", gzip.compress(gzip.compress(event())), {"Content-Encoding": "gzip, gzip"}, {400, 415}),
    ("unknown content coding", event(), {"Content-Encoding": "br"}, {415}),
    ("arrays 30,000 deep", b"[" * 30000 + b"]" * 30000, {}, {400}),
    ("open arrays only", b"[" * 65000, {}, {400}),
    ("objects 8,000 deep", b'{"a":' * 8000 + b"1" + b"}" * 8000, {}, {400}),
    ("deep in the payload", event(good + b',"x":' + b"[" * 20000 + b"]" * 20000), {}, {400}),
    ("a huge number", event(good + b',"x":' + b"9" * 60000), {}, {200, 400}),
    ("a huge exponent", event(good + b',"x":1e999999999999999999'), {}, {200, 400}),
    ("a small exponent", event(good + b',"x":1e-999999999999999999'), {}, {200, 400}),
    ("a timestamp out of range", event(b'"sessionId":"H","timestamp":"99999-01-01T00:00:00Z"'), {}, {400}),
    ("a timestamp that is a number", event(b'"sessionId":"H","timestamp":1749725811'), {}, {400}),
    ("duplicate keys", event(good + b',"sessionId":"OTHER"'), {}, {400}),
    ("duplicate keys by escape", event(good + b',"session\\u0049d":"OTHER"'), {}, {400}),
    ("duplicate events", event(before=b'"event":"X",'), {}, {400}),
    ("10,000 members", event(good + b"".join(b',"%d":0' % n for n in range(6000))), {}, {200}),
    ("6,000 members, two alike", event(good + b"".join(b',"%d":0' % n for n in range(6000)) + b',"7":0'), {}, {400}),
    ("invalid UTF-8", event(good + b',"x":"\xff\xfe"'), {}, {400}),
    ("overlong UTF-8", event(good + b',"x":"\xc0\xaf"'), {}, {400}),
    ("a surrogate in UTF-8", event(good + b',"x":"\xed\xa0\x80"'), {}, {400}),
    ("a lone surrogate escape", event(good + b',"x":"\\ud800"'), {}, {400}),
    ("a byte order mark", b"\xef\xbb\xbf" + event(), {}, {200}),
    ("UTF-16", event().decode().encode("utf-16"), {}, {400}),
    ("NUL in the session id", event(b'"sessionId":"A\\u0000B","timestamp":"2025-06-12T10:56:51Z"'), {}, {400}),
    ("a session id of 60 KB", event(b'"sessionId":"' + b"A" * 60000 + b'","timestamp":"2025-06-12T10:56:51Z"'), {}, {400}),
    ("NaN", event(good + b',"x":NaN'), {}, {400}),
    ("a trailing comma", event(good + b","), {}, {400}),
    ("two documents", event() + event(), {}, {400}),
    ("white space only", b" " * 60000, {}, {400}),
    ("above the limit", event(good + b',"x":"' + b"A" * 70000 + b'"'), {}, {413}),
    ("not JSON by its type", event(), {"Content-Type": "text/plain"}, {415}),
]
wrong = 0
for name, body, headers, allowed in cases:
    started = time.monotonic()
    try:
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        signature = base64.b64encode(hmac.new(key, body, hashlib.sha512).digest()).decode()
        fields = {"Content-Type": "application/json", "X-HMAC-SHA512-Signature": signature,
                  "X-HMAC-SHA512-SignedAt": "1749725811"}
        connection.request("POST", "/webhooks/session-events", body, fields | headers)
        status = connection.getresponse().status
    except OSError as error:
        status = type(error).__name__
    seconds = time.monotonic() - started
    if status not in allowed or seconds > 5:
        wrong += 1
        print(f"{name}: {status} after {seconds:.1f} s, allowed: {sorted(allowed)}")
print(len(cases), "bodies posted")
sys.exit(1 if wrong else 0)
