#!/usr/bin/env python3
"""Opens many live streams at once, and says what memory each takes in the server.

usage: stream-memory.py HOST:PORT STREAMS SERVER_PID

Half follow a session, half a user. Then one change of each session must reach its reader.
"""
import asyncio, base64, hashlib, hmac, json, os, sys, time

host, port = sys.argv[1].rsplit(":", 1)
streams, pid = int(sys.argv[2]), int(sys.argv[3])
secret = os.environ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"].encode()
token = os.environ["CHARGEFOLD_API_TOKEN"]


def resident():
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


async def post(number, second, connection):
    reader, writer = connection
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_761_000_000 + second))
    payload = {"sessionId": f"mem-{number}", "timestamp": stamp, "userId": f"mem-user-{number}"}
    body = json.dumps({"event": "SESSION_STARTED", "payload": payload}).encode()
    mac = base64.b64encode(hmac.new(secret, body, hashlib.sha512).digest()).decode()
    writer.write(
        f"POST /webhooks/session-events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"X-HMAC-SHA512-Signature: {mac}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))


async def open_stream(number, gate):
    async with gate:
        reader, writer = await asyncio.open_connection(host, port)
        target = f"/v1/sessions/mem-{number}/events" if number % 2 else f"/v1/users/mem-user-{number}/events"
        writer.write(f"GET {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        await asyncio.wait_for(reader.readuntil(b"id: "), 60)
        return reader, writer


async def main():
    connection = await asyncio.open_connection(host, port)
    for number in range(streams):
        await post(number, 0, connection)
    before = resident()
    gate = asyncio.Semaphore(200)
    opened = await asyncio.gather(*(open_stream(number, gate) for number in range(streams)))
    await asyncio.sleep(2)
    after = resident()
    began = time.monotonic()
    for number in range(streams):
        await post(number, 1, connection)
    for reader, _ in opened:
        await asyncio.wait_for(reader.readuntil(b"event: "), 60)
    took = time.monotonic() - began
    print(
        json.dumps(
            {
                "streams": streams,
                "bytes of memory a stream": (after - before) // streams,
                "resident before": before,
                "resident after": after,
                "seconds for one change each": round(took, 2),
            }
        )
    )


asyncio.run(main())
