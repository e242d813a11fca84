"""The load client: wrk with replay.lua, and the requests that it replays."""

import base64
import hashlib
import hmac
import json
import os
import random
import resource
import subprocess

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECRET = "benchmark-webhook-secret"
TOKEN = "benchmark-api-token"
NAMES = ["SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def write_requests(path, count, seed):
    """Signed callbacks, three a session, each once, ready to be sent; each behind its length (32 bits)."""
    choose = random.Random(seed)
    session = user = None
    with open(path, "wb") as file:
        for number in range(count):
            step = number % 3
            if step == 0:
                session = "".join(choose.choices(LETTERS, k=11))
                user = "user%d" % choose.randrange(50000)
            body = (
                '{"event":"%s","payload":{"userId":"%s","sessionId":"%s","timestamp":"2025-06-12T%02d:%02d:%02dZ"}}'
                % (NAMES[step], user, session, 10 + step, choose.randrange(60), choose.randrange(60))
            ).encode()
            code = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha512).digest())
            request = (
                b"POST /webhooks/session-events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"X-HMAC-SHA512-Signature: %s\r\nX-HMAC-SHA512-SignedAt: 1749725811\r\nContent-Length: %d\r\n\r\n%s"
                % (code, len(body), body))
            file.write(len(request).to_bytes(4, "little") + request)


class Result:
    """What one run of wrk has measured."""

    def __init__(self, text, client_cpu):
        values = json.loads(text.strip().splitlines()[-1])
        self.seconds = values["microseconds"] / 1e6
        self.requests = values["requests"]
        self.rate = self.requests / self.seconds if self.seconds else 0
        self.p50 = values["p50"] / 1000
        self.p99 = values["p99"] / 1000
        self.bad = values["bad"] + values["broken"]
        # Cores that the client itself was busy on.
        self.client_cores = client_cpu / self.seconds if self.seconds else 0


def run_wrk(url, connections, seconds, requests=None, paths=None, headers=(), repeats=False):
    """`repeats`: begin anew when all requests were sent, for a subject that cannot tell; otherwise the run is too short then."""
    threads = min(2, connections)
    environment = dict(os.environ, WRK_THREADS=str(threads))
    environment.pop("REQUESTS", None)
    environment.pop("PATHS", None)
    environment.pop("REPEAT", None)
    if repeats:
        environment["REPEAT"] = "yes"
    if requests:
        environment["REQUESTS"] = requests
    if paths:
        environment["PATHS"] = paths
    command = ["wrk", "-t", str(threads), "-c", str(connections), "-d", "%ds" % seconds, "--timeout", "10s"]
    for header in headers:
        command += ["-H", header]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command + ["-s", os.path.join(HERE, "replay.lua"), url], env=environment, capture_output=True, text=True,
        check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Result(done.stdout, cpu)
