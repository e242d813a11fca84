"""Posts signed events one after the other, and says what came of them: one line a status, `STATUS COUNT`.

usage: post-events.py URL COUNT PREFIX [--acknowledged FILE] [--connections N] [--seconds S]
                      [--fresh] [--pause SECONDS]

Each event is of a session of its own, named after PREFIX. The secret comes from CHARGEFOLD_WEBHOOK_SECRET_CURRENT.
With --seconds the count is a bound; --fresh makes a connection for each event; --pause waits between them. On standard error: latencies in milliseconds, `latency STATUS p50 p99 max`.
Exit status 2 when a 503 comes without Retry-After.
"""

import argparse
import base64
import collections
import hashlib
import hmac
import http.client
import os
import sys
import threading
import time
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("count", type=int)
parser.add_argument("prefix")
parser.add_argument("--acknowledged")
parser.add_argument("--connections", type=int, default=1)
parser.add_argument("--seconds", type=float, default=600)
parser.add_argument("--fresh", action="store_true")
parser.add_argument("--pause", type=float, default=0)
options = parser.parse_args()

address = urllib.parse.urlsplit(options.url)
key = os.environ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"].encode()
lock = threading.Lock()
latencies = collections.defaultdict(list)
acknowledged = []
without_retry_after = 0
deadline = time.monotonic() + options.seconds
numbers = iter(range(options.count))


def work():
    global without_retry_after
    connection = None
    while time.monotonic() < deadline:
        with lock:
            number = next(numbers, None)
        if number is None:
            return
        body = (
            '{"event":"SESSION_STARTED","payload":{"userId":"u","sessionId":"%s-%d",'
            '"timestamp":"2025-06-12T10:56:51Z"}}' % (options.prefix, number)
        ).encode()
        signature = base64.b64encode(hmac.new(key, body, hashlib.sha512).digest()).decode()
        started = time.monotonic()
        retry_after = None
        try:
            if connection is None:
                connection = http.client.HTTPConnection(address.hostname, address.port, timeout=15)
            connection.request("POST", "/webhooks/session-events", body, {
                "Content-Type": "application/json",
                "X-HMAC-SHA512-Signature": signature,
                "X-HMAC-SHA512-SignedAt": str(int(time.time())),
            })
            response = connection.getresponse()
            response.read()
            status = str(response.status)
            retry_after = response.getheader("Retry-After")
            if options.fresh or response.getheader("Connection") == "close":
                connection.close()
                connection = None
        except (OSError, http.client.HTTPException):
            status = "none"
            connection = None
        with lock:
            latencies[status].append((time.monotonic() - started) * 1000)
            if status == "200":
                acknowledged.append(body)
            if status == "503" and retry_after is None:
                without_retry_after += 1
        if options.pause:
            time.sleep(options.pause)


threads = [threading.Thread(target=work) for _ in range(options.connections)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for status in sorted(latencies):
    values = sorted(latencies[status])
    print(status, len(values))
    print("latency %s %.1f %.1f %.1f" % (
        status, values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)], values[-1],
    ), file=sys.stderr)
if options.acknowledged:
    with open(options.acknowledged, "ab") as file:
        file.writelines(body + b"\n" for body in acknowledged)
sys.exit(2 if without_retry_after else 0)
