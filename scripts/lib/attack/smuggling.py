"""Sends the corpus of raw requests through a proxy and checks that the server behind it never sees more requests than
the proxy has forwarded, and that each connection to the server stays in step.

usage: smuggling.py PROXY-URL SERVER-URL PROXY-LOG CORPUS [EVERY]

PROXY-LOG gets one line for each request that the proxy has finished; it begins with `forwarded` when the request
went to the server. EVERY: only every so-manieth request of the corpus.
"""

import json
import re
import socket
import sys
import time
import urllib.parse
import urllib.request

proxy, server = (urllib.parse.urlsplit(url) for url in sys.argv[1:3])
log = open(sys.argv[3], "rb")
every = int(sys.argv[5]) if len(sys.argv) > 5 else 1

# What the corpus of the server's own tests does not have: disagreements between two parsers in a row.
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = "POST /webhooks/session-events HTTP/1.1\r\nHost: localhost\r\n"
PAIRS = {
    "CL.TE": HEAD + f"Content-Length: {5 + len(SMUGGLED)}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE.CL": HEAD + f"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{len(SMUGGLED):x}\r\n{SMUGGLED}\r\n0\r\n\r\n",
    "TE.TE xchunked": HEAD + f"Transfer-Encoding: chunked\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "TE space colon": HEAD + f"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "TE tab": HEAD + f"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "TE vertical tab": HEAD + f"Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "TE obs-fold": HEAD + f"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "TE quoted": HEAD + f'Transfer-Encoding: "chunked"\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{SMUGGLED}',
    "TE in 1.0": HEAD.replace("1.1", "1.0") + f"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "CL twice": HEAD + f"Content-Length: 0\r\nContent-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "CL list": HEAD + f"Content-Length: 0, {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "CL plus": HEAD + f"Content-Length: +0\r\n\r\n{SMUGGLED}",
    "CL hex": HEAD + f"Content-Length: 0x0\r\n\r\n{SMUGGLED}",
    "CL minus": HEAD + f"Content-Length: -1\r\n\r\n{SMUGGLED}",
    "CL blank": HEAD + f"Content-Length: \r\n\r\n{SMUGGLED}",
    "CL huge": HEAD + f"Content-Length: 18446744073709551616\r\n\r\n{SMUGGLED}",
    "GET with body": f"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "chunk size huge": HEAD + f"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{SMUGGLED}",
    "chunk size 0x": HEAD + f"Transfer-Encoding: chunked\r\n\r\n0x1\r\nA\r\n0\r\n\r\n{SMUGGLED}",
    "chunk size blank": HEAD + f"Transfer-Encoding: chunked\r\n\r\n 1\r\nA\r\n0\r\n\r\n{SMUGGLED}",
    "chunk bare LF": HEAD + f"Transfer-Encoding: chunked\r\n\r\n1\nA\n0\n\n{SMUGGLED}",
    "chunk extension LF": HEAD + f"Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\nA\r\n0\r\n\r\n{SMUGGLED}",
    "chunk too long": HEAD + f"Transfer-Encoding: chunked\r\n\r\n1\r\nAB\r\n0\r\n\r\n{SMUGGLED}",
    "chunk trailer CL": HEAD + f"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "bare LF head": HEAD.replace("\r\n", "\n") + f"Content-Length: 0\n\n{SMUGGLED}",
    "bare CR head": HEAD + f"X: a\rContent-Length: {len(SMUGGLED)}\r\nContent-Length: 0\r\n\r\n{SMUGGLED}",
    "NUL in a name": HEAD + f"Content-Length\0: {len(SMUGGLED)}\r\nContent-Length: 0\r\n\r\n{SMUGGLED}",
    "underscore": HEAD + f"Content_Length: {len(SMUGGLED)}\r\nContent-Length: 0\r\n\r\n{SMUGGLED}",
    "Connection hides CL": HEAD + f"Connection: Content-Length\r\nContent-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "Connection hides TE": HEAD + f"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "Expect": HEAD + f"Expect: 100-continue\r\nContent-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "absolute target": f"GET http://localhost/healthz HTTP/1.1\r\nHost: other\r\n\r\n{SMUGGLED}",
    "target with LF": f"GET /healthz%0d%0aX: HTTP/1.1\r\nHost: localhost\r\n\r\n{SMUGGLED}",
    "CONNECT": f"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n{SMUGGLED}",
    "Upgrade": f"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n{SMUGGLED}",
}


def corpus():
    for name, text in PAIRS.items():
        yield "pair " + name, text.encode("latin-1")
    with open(sys.argv[4], encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number % every == 0:
                row = json.loads(line)
                yield row["name"], b"".join(p["text"].encode("latin-1") * p.get("times", 1) for p in row["raw"])


def exchange(raw):
    """Sends, half-closes nothing, and reads until nothing comes for a while."""
    with socket.create_connection((proxy.hostname, proxy.port)) as connection:
        connection.settimeout(0.06)
        answer = b""
        try:
            connection.sendall(raw)
            while piece := connection.recv(65536):
                answer += piece
        except OSError:
            pass
        return answer


own = 0


def seen():
    """How many requests reached the server, malformed ones too, but for those of this function."""
    global own
    own += 1
    with urllib.request.urlopen(f"http://{server.netloc}/metrics") as page:
        text = page.read().decode()
    return sum(
        int(float(value))
        for value in re.findall(r"^chargefold_http_(?:requests|errors)_total(?:\{.*\})? (\S+)$", text, re.M)
    ) - own


def forwarded():
    return sum(line.startswith(b"forwarded") for line in log.read().splitlines())


count = wrong = total_seen = total_forwarded = 0
base = seen()
forwarded()
for name, raw in corpus():
    if len(raw) > 300_000:
        continue
    count += 1
    exchange(raw)
    # In step: the next request on any of the proxy's connections gets its own answer.
    canary = exchange(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    if not (canary.startswith(b"HTTP/1.1 200") and canary.rstrip(b"\r\n0").endswith(b'{"status":"ok"}')):
        wrong += 1
        print(f"{name}: out of step afterwards: {canary[:60]!r}")
    now = seen()
    passed = forwarded()
    # The proxy writes its line when its client has gone, which may be a moment later.
    patience = time.monotonic() + 2
    while now - base > passed and time.monotonic() < patience:
        time.sleep(0.02)
        passed += forwarded()
    if now - base > passed:
        wrong += 1
        print(f"{name}: the proxy forwarded {passed}, the server saw {now - base}")
    total_seen += now - base
    total_forwarded += passed
    base = now
print(f"{count} sent, {total_forwarded} requests forwarded, {total_seen} seen")
sys.exit(1 if wrong else 0)
