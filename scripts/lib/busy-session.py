#!/usr/bin/env python3
"""One session with thousands of facts, several listeners, and readers that begin anew: what the server takes for it.

usage: busy-session.py HOST:PORT FACTS SERVER_PID [MEGABYTES]

The facts are notices of fees, each with a due time of its own. Listeners follow the session, its user and everything while
they come in; some never read. Then readers resume from the beginning, some leave at once, and half-sent bodies and pages
of facts come on top. Each listener must have seen every fact once and in order. Exit status 1 where one has not, or the
server's memory was over the bound (250 MB by default).
"""
import asyncio, base64, hashlib, hmac, json, os, re, sys, time

host, port = sys.argv[1].rsplit(":", 1)
facts, pid = int(sys.argv[2]), int(sys.argv[3])
megabytes = int(sys.argv[4]) if len(sys.argv) > 4 else 250
secret = os.environ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"].encode()
token = os.environ["CHARGEFOLD_API_TOKEN"]
targets = ["/v1/sessions/busy/events", "/v1/users/busy-user/events", "/v1/events"]
highest = 0


def resident():
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


async def watch():
    global highest
    while True:
        highest = max(highest, resident())
        await asyncio.sleep(0.02)


def callback(number):
    stamp = lambda seconds: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    payload = {"sessionId": "busy", "timestamp": stamp(1_761_000_000 + number), "userId": "busy-user"}
    payload |= {"feeType": f"BLOCKING {number}", "feeWillApplyFrom": stamp(4_000_000_000 + number)}
    body = json.dumps({"event": "SESSION_FEE_INCURRING", "payload": payload}).encode()
    mac = base64.b64encode(hmac.new(secret, body, hashlib.sha512).digest()).decode()
    return (
        f"POST /webhooks/session-events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"X-HMAC-SHA512-Signature: {mac}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )


async def answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
    return int(head.split(b" ")[1]), body


async def post(numbers):
    reader, writer = await asyncio.open_connection(host, port)
    longest = 0
    for number in numbers:
        began = time.monotonic()
        writer.write(callback(number))
        status, body = await answer(reader)
        assert status == 200, body
        longest = max(longest, time.monotonic() - began)
    writer.close()
    return longest


async def open_stream(target, last=None):
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 22)
    resume = f"Last-Event-ID: {last}\r\n" if last else ""
    writer.write(f"GET {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{resume}\r\n".encode())
    await reader.readuntil(b"retry: 2000")
    return reader, writer


async def follow(target, last=None):
    """All versions from 1 on, over as many connections as it takes."""
    seen, connections, identifier = 0, 0, last
    while seen < facts:
        reader, writer = await open_stream(target, identifier)
        connections += 1
        try:
            while seen < facts:
                line = await asyncio.wait_for(reader.readuntil(b"\n"), 60)
                if line.startswith(b"id: "):
                    identifier = line[4:].strip().decode()
                if line.startswith(b"data: "):
                    version = json.loads(line[6:])["session"]["version"]
                    assert version == seen + 1, f"{target}: {version} after {seen}"
                    seen = version
        except asyncio.IncompleteReadError:
            pass
        writer.close()
    return connections


async def page_through():
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 22)
    after, count = "", 0
    while True:
        writer.write(
            f"GET /v1/sessions/busy/facts{after} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        status, body = await answer(reader)
        assert status == 200, body
        page = json.loads(body)
        count += len(page["facts"])
        if "next" not in page:
            break
        after = "?after=" + page["next"]
    writer.close()
    assert count >= facts, f"{count} facts in the pages"


async def half_send():
    _, writer = await asyncio.open_connection(host, port)
    writer.write(b"POST /webhooks/session-events HTTP/1.1\r\nHost: a\r\nContent-Length: 65000\r\n\r\n" + b"x" * 64_000)
    return writer


async def main():
    watcher = asyncio.create_task(watch())
    before = resident()
    await post(range(1))
    # Three that read, and three that never do.
    followers = [asyncio.create_task(follow(target, "0")) for target in targets]
    silent = [await open_stream(target) for target in targets]
    began = time.monotonic()
    await post(range(1, facts))
    connections = await asyncio.gather(*followers)
    listened = time.monotonic() - began
    began = time.monotonic()
    await asyncio.gather(*(follow(target, "0") for target in targets * 2))
    resumed = time.monotonic() - began
    for _ in range(30):
        for target in targets:
            (await open_stream(target, "0"))[1].close()
    bodies = [await half_send() for _ in range(2_000)]
    pages = [asyncio.create_task(page_through()) for _ in range(20)]
    longest = await post(range(facts, facts + 100))
    watcher.cancel()
    await asyncio.gather(*pages)
    for writer in bodies + [writer for _, writer in silent]:
        writer.close()
    print(
        json.dumps(
            {
                "facts": facts,
                "seconds with listeners": round(listened, 2),
                "connections of listeners": connections,
                "seconds of six resumes": round(resumed, 2),
                "longest callback beside pages and bodies, ms": round(longest * 1000, 1),
                "resident before": before,
                "resident at most": highest,
            }
        )
    )
    if highest > megabytes * 1_000_000:
        sys.exit(f"more than {megabytes} MB")


asyncio.run(main())
