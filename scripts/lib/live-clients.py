#!/usr/bin/env python3
"""Readers of live streams that lose their connection at random and resume.

usage: live-clients.py HOST:PORT CLIENTS CHANGES [SEED]

Posts CHANGES changes to each of CLIENTS sessions, while one reader a session follows it, half of them over the session's
stream and half over its user's, each with a Last-Event-ID of its own. Every reader must see versions 2, 3, … of its session,
each exactly once and in order. Secrets come from CHARGEFOLD_WEBHOOK_SECRET_CURRENT, CHARGEFOLD_API_TOKEN and
CHARGEFOLD_API_ADMIN_TOKEN (for the cursor of the last event before the changes).
"""
import asyncio, base64, collections, hashlib, hmac, json, os, random, sys, time, urllib.request

host, port = sys.argv[1].rsplit(":", 1)
clients, changes = int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
secret = os.environ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"].encode()
token = os.environ["CHARGEFOLD_API_TOKEN"]
figures = collections.Counter()


def callback(name, session, user, second):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_760_000_000 + second))
    payload = {"sessionId": session, "timestamp": stamp, "userId": user}
    body = json.dumps({"event": name, "payload": payload}).encode()
    mac = base64.b64encode(hmac.new(secret, body, hashlib.sha512).digest()).decode()
    head = (
        f"POST /webhooks/session-events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"X-HMAC-SHA512-Signature: {mac}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def post_all(bodies):
    reader, writer = await asyncio.open_connection(host, port)
    for body in bodies:
        writer.write(body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(l.split(b":")[1]) for l in head.split(b"\r\n") if l.lower().startswith(b"content-length"))
        await reader.readexactly(length)
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise SystemExit(f"a callback was refused: {head[:60]}")
        figures["posted"] += 1
    writer.close()


async def read_stream(target, last, versions, goal, patience):
    """One connection; returns the last id. Gives it up after a random number of events or a random time."""
    reader, writer = await asyncio.open_connection(host, port)
    resume = f"Last-Event-ID: {last}\r\n" if last else ""
    writer.write(f"GET {target} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n{resume}\r\n".encode())
    figures["connections"] += 1
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise SystemExit(f"a stream was refused: {head[:60]}")
        event = {}
        while len(versions) < goal and patience > 0:
            line = (await asyncio.wait_for(reader.readline(), rng.uniform(0.5, 4) if patience < 1e6 else 60)).rstrip(b"\n")
            if not line:
                if event.get("event") == "reset":
                    raise SystemExit(f"a stream was reset at {last}")
                if "data" in event:
                    versions.append(json.loads(event["data"])["session"]["version"])
                    figures["events"] += 1
                    patience -= 1
                # As in a browser: an id counts once its block is complete.
                last = event.get("id", last)
                event = {}
            elif b": " in line and not line.startswith(b":"):
                name, value = line.split(b": ", 1)
                event[name.decode()] = value.decode()
    except (asyncio.TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        figures["ended otherwise"] += 1
    finally:
        writer.transport.abort() if rng.random() < 0.5 else writer.close()
    return last


async def follow(number, start):
    session, user = f"live-{number}", f"user-{number}"
    target = f"/v1/sessions/{session}/events" if number % 2 else f"/v1/users/{user}/events"
    versions = []
    last = start
    while len(versions) < changes:
        patience = rng.choice([1, 2, 5, 10, 1e9])
        last = await read_stream(target, last, versions, changes, patience)
        if rng.random() < 0.5:
            await asyncio.sleep(rng.uniform(0, 1))
    return number, versions


def cursor(position):
    """The cursor of a position of the log, which names the history that it counts in."""
    authorization = {"Authorization": f"Bearer {os.environ['CHARGEFOLD_API_ADMIN_TOKEN']}"}
    request = urllib.request.Request(f"http://{host}:{port}/v1/log?from={position}&limit=1", headers=authorization)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read().splitlines()[0])["cursor"]


async def main():
    first = [callback("SESSION_STARTED", f"live-{n}", f"user-{n}", 0) for n in range(clients)]
    await asyncio.gather(*(post_all(first[k::16]) for k in range(16)))
    began = time.monotonic()
    start = cursor(clients)
    followers = [asyncio.create_task(follow(n, start)) for n in range(clients)]
    await asyncio.sleep(1)
    posters = []
    for k in range(8):
        bodies = [callback("SESSION_X", f"live-{n}", f"user-{n}", c + 1) for c in range(changes) for n in range(k, clients, 8)]
        posters.append(asyncio.create_task(post_all(bodies)))
    await asyncio.gather(*posters)
    wrong = 0
    for follower in followers:
        number, versions = await asyncio.wait_for(follower, 120)
        if versions != list(range(2, changes + 2)):
            wrong += 1
            if wrong < 5:
                print(f"reader {number} saw {versions}", file=sys.stderr)
    figures["seconds"] = round(time.monotonic() - began)
    print(json.dumps({"readers": clients, "changes": changes, "readers with a gap or a repeat": wrong, **figures}))
    sys.exit(1 if wrong else 0)


asyncio.run(main())
