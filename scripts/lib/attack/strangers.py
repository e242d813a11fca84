"""What a stranger, and a user who wants more than their share, try over the wire; and what must not go unseen.

usage: strangers.py URL

Needs CHARGEFOLD_WEBHOOK_SECRET_CURRENT, CHARGEFOLD_API_TOKEN and CHARGEFOLD_API_ADMIN_TOKEN. Prints a line for each
promise that is broken, and at last how many were looked at. Exit status 1 when one is broken.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import socket
import sys
import urllib.parse

address = urllib.parse.urlsplit(sys.argv[1])
secret = os.environ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"].encode()
api, admin = os.environ["CHARGEFOLD_API_TOKEN"], os.environ["CHARGEFOLD_API_ADMIN_TOKEN"]
looked_at = broken = 0


def check(what, holds, seen=""):
    global looked_at, broken
    looked_at += 1
    if not holds:
        broken += 1
        print(f"broken: {what}: {seen}")


def ask(method, target, body=None, token=None, headers=None):
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    connection.putrequest(method, target)
    if token:
        connection.putheader("Authorization", f"Bearer {token}")
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    check(f"X-Content-Type-Options on {method} {target}", answer.getheader("X-Content-Type-Options") == "nosniff")
    return answer.status, answer.getheader("Content-Type"), content


def event(session, name="SESSION_STARTED", user="victim"):
    payload = {"userId": user, "sessionId": session, "timestamp": "2025-06-12T10:56:51Z"}
    return json.dumps({"event": name, "payload": payload}).encode()


def post(target, body, key=secret):
    signature = base64.b64encode(hmac.new(key, body, hashlib.sha512).digest()).decode()
    return ask("POST", target, body, headers={"X-HMAC-SHA512-Signature": signature, "Content-Type": "application/json"})


def session(name, token=api, path=""):
    return ask("GET", f"/v1/sessions/{name}{path}", token=token)


def mint(user, scope="act"):
    body = json.dumps({"userId": user, "scope": scope}).encode()
    return json.loads(ask("POST", "/v1/tokens", body, token=admin)[2])["token"]


def quarantined():
    return json.loads(ask("GET", "/v1/quarantine", token=admin)[2])["entries"]


def open_stream(target, token):
    """A stream's status, and its connection, which stays open."""
    stream = socket.create_connection((address.hostname, address.port), timeout=20)
    stream.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return int(stream.recv(12).split()[1]), stream


# What is authentic is seen, whatever the spelling of its address; what is not costs nothing.
spellings = [
    "/webhooks/session-events/", "//webhooks/session-events", "/webhooks//session-events", "/webhooks/session%2Devents",
    "/Webhooks/Session-Events", "/WEBHOOKS/SESSION-EVENTS/", "/webhooks/session%2devents//", "/%77ebhooks/session-events",
]
for number, spelling in enumerate(spellings):
    status, _, content = post(spelling, event(f"near-{number}"))
    check(f"{spelling} is the webhook", status == 200, (status, content))
    check(f"{spelling} tells its session", session(f"near-{number}")[0] == 200)
    status = post(spelling, event(f"forged-{number}"), key=b"not the secret that was agreed")[0]
    check(f"forged at {spelling} is refused", status in (401, 403), status)
    check(f"forged at {spelling} changes nothing", session(f"forged-{number}")[0] == 404)
before = len(quarantined())
strays = ["/webhook/session-events", "/webhooks/session-event", "/api/webhooks/session-events", "/", "/webhooks"]
for number, stray in enumerate(strays):
    check(f"forged at {stray} is not found", post(stray, event(f"x{number}"), key=b"not the agreed secret")[0] == 404)
check("forged strays cost nothing durable", len(quarantined()) == before)
for number, stray in enumerate(strays):
    post(stray, event(f"stray-{number}"))
check("each authentic stray is kept", len(quarantined()) == before + len(strays), len(quarantined()) - before)

# An unknown name at the records' address ends nothing.
for number, name in enumerate(["SESSION_PAUSED", "SESSION_RESUMED", "session_started", "X"]):
    post("/webhooks/session-events", event(f"paused-{number}"))
    post("/webhooks/cdrs", event(f"paused-{number}", name))
    status = json.loads(session(f"paused-{number}")[2])["sessionStatus"]
    check(f"{name} at /webhooks/cdrs ends nothing", status == "STARTED", status)

# A byte order mark is no fault.
status = post("/webhooks/session-events", b"\xef\xbb\xbf" + event("marked"))[0]
check("a byte order mark is no fault", status == 200, status)

# Another's session is as one that is not there, byte by byte, at every door.
post("/webhooks/session-events", event("victims"))
post("/webhooks/session-events", event("others", user="attacker"))
attacker = mint("attacker")
check("one's own session is answered", session("others", attacker)[0] == 200)
doors = [("GET", p) for p in ("", "/facts", "/cdr", "/events")]
doors += [("POST", p) for p in ("/stop", "/abandon", "/receipt", "/retry-payment")] + [("GET", "/receipt")]
for method, path in doors:
    body = b"{}" if method == "POST" else None
    answers = [ask(method, f"/v1/sessions/{name}{path}", body, attacker) for name in ("victims", "nobodys")]
    same = [(s, t, c.replace(n, b"")) for (s, t, c), n in zip(answers, (b"victims", b"nobodys"))]
    check(f"{method} {path}: another's is as none", same[0] == same[1] and same[0][0] >= 400, answers)
for name in ("..", "%2e%2e", "a%2Fb", "%252e%252e", "a%252Fb", "%2e"):
    status = ask("POST", f"/v1/sessions/{name}/stop", b"{}", api)[0]
    check(f"the id {name} goes nowhere", status in (400, 404), status)

# A token that reads only reads.
reader = mint("victim", "read")
check("a reader reads", session("victims", reader)[0] == 200)
for method, target in [
    ("POST", "/v1/sessions/victims/stop"), ("POST", "/v1/sessions/victims/abandon"), ("POST", "/v1/sessions/start"),
    ("POST", "/v1/sessions/victims/retry-payment"), ("DELETE", "/v1/users/victim"), ("POST", "/v1/tokens"),
    ("GET", "/v1/quarantine"), ("GET", "/v1/log"), ("POST", "/v1/backfill"),
]:
    status = ask(method, target, b"{}" if method == "POST" else None, reader)[0]
    check(f"a reader may not {method} {target}", status in (403, 404, 405), status)

# One user holds so many streams, and another's opens all the same.
streams, statuses = [], []
for _ in range(64):
    status, stream = open_stream("/v1/sessions/others/events", attacker)
    streams.append(stream)
    statuses.append(status)
check("a user's streams are bounded", 1 <= statuses.count(200) < 64 and set(statuses) <= {200, 429, 503}, statuses)
status, stream = open_stream("/v1/sessions/victims/events", reader)
check("another's stream opens all the same", status == 200, status)
streams.append(stream)
for stream in streams:
    stream.close()

# What asks in vain learns nothing of the inside.
for target in ("/readyz", "/healthz", "/v1/sessions/none", "/v1/log?after=1-00000000", "/v1/nothing"):
    content = ask("GET", target, token=api)[2].lower()
    told = [word for word in (b"sqlite", b"select ", b"/data", b".swift", secret) if word in content]
    check(f"{target} tells nothing of the inside", not told, told)
check("the session of the victim is as it was", json.loads(session("victims")[2])["sessionStatus"] == "STARTED")

print(f"{looked_at} promises, {broken} broken")
sys.exit(broken > 0)
