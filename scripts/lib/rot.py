"""Rounds of damage to a data directory; see scripts/rot-test.

usage: rot.py CHARGEFOLD WORK ROUNDS SEED

Each round posts events to a server, ends it (kill -9 or SIGTERM), damages one file or several, and starts it again. What
of the log is sound after the damage is worked out here from the bytes alone: a row is, where the very bytes that it was
written as stand anywhere in a segment. Every such row must be served, nothing else may be, every session must be what
follows from the rows that are served, and where acknowledged rows are gone, the server must have said so.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

SECRET = b"rot-test-webhook-secret"
TOKEN = "rot-test-api-token"
ROW_HEADER = 29


class Server:
    running = set()

    @classmethod
    def kill_all(cls):
        for process in cls.running:
            process.kill()
            process.wait()

    def __init__(self, chargefold, directory, log, *arguments):
        self.log = log
        self.output = open(log, "ab")
        environment = dict(
            os.environ, CHARGEFOLD_DATA_DIRECTORY=directory, CHARGEFOLD_HTTP_PORT="0",
            CHARGEFOLD_WEBHOOK_SECRET_CURRENT=SECRET.decode(), CHARGEFOLD_API_TOKEN=TOKEN,
            CHARGEFOLD_API_ADMIN_TOKEN=TOKEN + "-admin", CHARGEFOLD_HTTP_WORKERS="1")
        start = os.path.getsize(log)
        self.process = subprocess.Popen(
            [chargefold, "serve", *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=self.output)
        Server.running.add(self.process)
        self.connection = None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with open(log, "rb") as text:
                text.seek(start)
                for line in text.read().decode(errors="replace").splitlines():
                    if " listening addresses=" in line:
                        host, port = line.split(" listening addresses=")[1].split()[0].rstrip(",").rsplit(":", 1)
                        self.connection = http.client.HTTPConnection(host, int(port), timeout=30)
                        return
            if self.process.poll() is not None:
                return
            time.sleep(0.01)
        raise SystemExit("the server neither starts nor ends")

    def request(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def post(self, body):
        signature = base64.b64encode(hmac.new(SECRET, body, hashlib.sha512).digest()).decode()
        return self.request(
            "POST", "/webhooks/session-events", body,
            {"Content-Type": "application/json", "X-HMAC-SHA512-Signature": signature})[0]

    def get(self, path, token=TOKEN):
        deadline = time.monotonic() + 60
        while True:
            status, body = self.request("GET", path, headers={"Authorization": "Bearer " + token})
            # Sessions are being made again: that is told, and over soon.
            if status != 503 or time.monotonic() > deadline:
                return status, body
            time.sleep(0.02)

    def end(self, with_signal):
        if self.connection:
            self.connection.close()
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        self.process.wait()
        Server.running.discard(self.process)
        self.output.close()


class Run:
    def __init__(self, chargefold, work, seed):
        self.chargefold = chargefold
        self.work = work
        self.seed = seed
        self.counts = {}
        self.begin()

    def begin(self):
        self.directory = os.path.join(self.work, "data")
        self.log = os.path.join(self.work, "server.log")
        shutil.rmtree(self.directory, ignore_errors=True)
        open(self.log, "wb").close()
        # Bodies that had their 200, and what each is as a row of the log.
        self.acknowledged = {}
        # Also those that are known to be gone from the log: session rows may know them yet.
        self.ever = set()
        # What came back with an old file after it was gone: session rows do not know it until they are made again.
        self.gone = set()
        self.number = 0
        self.old_copy = None

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def fail(self, round_seed, message):
        Server.kill_all()
        print(f"round seed {round_seed}: {message}", flush=True)
        with open(self.log, encoding="utf-8", errors="replace") as text:
            print("".join(text.readlines()[-15:]), flush=True)
        kept = os.path.join(self.work, "..", f"rot-failure-{os.getpid()}")
        shutil.copytree(self.work, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("control.sock"))
        raise SystemExit(f"kept in {os.path.normpath(kept)}")

    # --- events ---

    def post_events(self, server, rng, count):
        for _ in range(count):
            self.number += 1
            session = f"S{rng.randrange(12)}"
            name = rng.choice(["SESSION_STARTED", "SESSION_STOPPED", "SESSION_ROT"])
            payload = {
                "userId": f"user{session}", "sessionId": session,
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_760_000_000 + self.number)),
                "n": self.number, "marker": "m" * rng.randrange(200)}
            body = json.dumps({"event": name, "payload": payload}, separators=(",", ":")).encode()
            if server.post(body) == 200:
                self.acknowledged[body] = None
                self.ever.add(body)

    def segments(self):
        folder = os.path.join(self.directory, "log")
        names = sorted(name for name in os.listdir(folder)) if os.path.isdir(folder) else []
        return [os.path.join(folder, name) for name in names if name.endswith(".log")]

    def learn_rows(self):
        """The bytes of each acknowledged row, as they are now, undamaged."""
        content = b"".join(open(path, "rb").read() for path in self.segments())
        for body in self.acknowledged:
            place = content.find(body)
            if place >= ROW_HEADER:
                self.acknowledged[body] = content[place - ROW_HEADER:place + len(body)]

    def sound_rows(self):
        content = b"".join(open(path, "rb").read() for path in self.segments())
        return {body for body, row in self.acknowledged.items() if row and row in content}

    # --- damage ---

    def files(self):
        found = []
        for folder, _, names in os.walk(self.directory):
            for name in names:
                path = os.path.join(folder, name)
                if name in ("control.sock", "lock") or name.endswith("-shm") or not os.path.getsize(path):
                    continue
                if any(mark in name for mark in (".unusable-", ".damaged-", ".replaced-", "spare")):
                    continue
                found.append(path)
        return sorted(found)

    def damage(self, rng):
        files = self.files()
        path = rng.choice(files)
        short = os.path.relpath(path, self.directory)
        size = os.path.getsize(path)
        content = bytearray(open(path, "rb").read())
        # Most of a segment is empty room.
        used = len(content.rstrip(b"\0")) or size
        kind = rng.choice(["flip", "flip", "flips", "block of zeros", "noise", "swap", "cut", "remove", "stale"])
        if kind == "flip":
            content[rng.randrange(used)] ^= 1 << rng.randrange(8)
        elif kind == "flips":
            for _ in range(rng.randrange(2, 20)):
                content[rng.randrange(used)] ^= 1 << rng.randrange(8)
        elif kind == "block of zeros":
            start = rng.randrange((used + 4095) // 4096) * 4096
            content[start:start + 4096] = bytes(len(content[start:start + 4096]))
        elif kind == "noise":
            start = rng.randrange(used)
            length = min(rng.randrange(1, 3000), len(content) - start)
            content[start:start + length] = rng.randbytes(length)
        elif kind == "swap":
            blocks = max(used // 4096, 1)
            one, other = (rng.randrange(blocks) * 4096 for _ in range(2))
            content[one:one + 4096], content[other:other + 4096] = (
                content[other:other + 4096], content[one:one + 4096])
        elif kind == "cut":
            del content[rng.randrange(used):]
        elif kind == "remove":
            os.remove(path)
            if rng.random() < 0.3 and short.startswith("log/"):
                shutil.rmtree(os.path.join(self.directory, "log"))
            return kind, short
        elif kind == "stale":
            old = self.old_copy and os.path.join(self.old_copy, short)
            if not old or not os.path.exists(old):
                return None
            shutil.copyfile(old, path)
            return kind, short
        with open(path, "wb") as output:
            output.write(content)
        return kind, short

    # --- one round ---

    def round(self, round_seed):
        rng = random.Random(round_seed)
        server = Server(self.chargefold, self.directory, self.log)
        if not server.connection:
            self.fail(round_seed, "an undamaged directory was refused")
        self.post_events(server, rng, rng.randrange(5, 60))
        if rng.random() < 0.5:
            # So that session rows are written, too.
            server.get("/v1/sessions/S0")
            time.sleep(1.2)
        server.end(rng.choice([signal.SIGKILL, signal.SIGTERM]))
        self.learn_rows()
        done = [found for found in (self.damage(rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))) if found]
        for kind, _ in done:
            self.count(kind)
        sound = self.sound_rows()
        told_from = os.path.getsize(self.log)
        server = Server(self.chargefold, self.directory, self.log)
        refused = not server.connection
        if refused:
            server.end(signal.SIGTERM)
            self.count("(refused)")
            with open(self.log, "rb") as text:
                text.seek(told_from)
                said = text.read().decode(errors="replace")
            if "--accept-lost-log" not in said and "restore it from a backup" not in said:
                self.fail(round_seed, f"after {done}: refused without a reason")
            if self.sound_rows() != sound:
                self.fail(round_seed, f"after {done}: the refused start has changed the log")
            if "restore it from a backup" in said:
                # Nothing in it can be told to be of a log.
                return self.begin()
            server = Server(self.chargefold, self.directory, self.log, "--accept-lost-log")
            if not server.connection:
                self.fail(round_seed, f"after {done}: refused although the loss was accepted")
        served = self.served(server, round_seed, done)
        lost = sound - served
        if lost:
            self.fail(round_seed, f"after {done}: {len(lost)} sound rows are not served, e.g. {sorted(lost)[0]}")
        invented = served - self.ever
        if invented:
            self.fail(round_seed, f"after {done}: rows that nobody sent: {sorted(invented)[:2]}")
        self.check_sessions(server, served - self.gone, round_seed, done)
        gone = set(self.acknowledged) - served
        with open(self.log, "rb") as text:
            text.seek(told_from)
            said = text.read().decode(errors="replace")
        if gone and not any(word in said for word in (" critical ", " warning ", "--accept-lost-log")):
            self.fail(round_seed, f"after {done}: {len(gone)} rows are gone, and nothing was said")
        self.count("(rows gone)" if gone else "(nothing gone)")
        # It goes on.
        before = len(self.acknowledged)
        self.post_events(server, rng, 3)
        if len(self.acknowledged) != before + 3:
            self.fail(round_seed, f"after {done}: it does not take events")
        server.end(signal.SIGTERM)
        self.gone |= gone
        for body in gone:
            del self.acknowledged[body]
        self.keep_copy(rng)
        if self.number > 1_500:
            self.begin()

    def keep_copy(self, rng):
        if rng.random() < 0.3:
            self.old_copy = os.path.join(self.work, "old")
            shutil.rmtree(self.old_copy, ignore_errors=True)
            shutil.copytree(self.directory, self.old_copy, ignore=shutil.ignore_patterns("control.sock"))

    def served(self, server, round_seed, done):
        status, body = server.get("/v1/log", TOKEN + "-admin")
        if status != 200:
            self.fail(round_seed, f"after {done}: /v1/log answers {status}")
        return {json.loads(line)["body"].encode() for line in body.splitlines()}

    def check_sessions(self, server, served, round_seed, done):
        facts, acknowledged = {}, {}
        for bodies, found in ((served, facts), (self.ever, acknowledged)):
            for body in bodies:
                event = json.loads(body)
                found.setdefault(event["payload"]["sessionId"], []).append(event)
        statuses = {"SESSION_STARTED": "STARTED", "SESSION_STOPPED": "STOPPED"}
        for session in {f"S{index}" for index in range(12)}:
            status, body = server.get(f"/v1/sessions/{session}")
            known = facts.get(session, [])
            if status != (200 if known else 404) and not (status == 200 and session in acknowledged):
                self.fail(round_seed, f"after {done}: session {session} answers {status}: {body[:200]}")
            if status != 200:
                continue
            answer = json.loads(body)
            known.sort(key=lambda event: event["payload"]["n"])
            reporting = [event for event in known if event["event"] in statuses]
            # Session rows may know what the log has lost: that is true as well.
            last = reporting[-1]["payload"]["n"] if reporting else 0
            possible = {statuses[reporting[-1]["event"]] if reporting else "UNKNOWN"} | {
                statuses[event["event"]] for event in acknowledged.get(session, [])
                if event["event"] in statuses and event["payload"]["n"] > last}
            found = (answer["sessionStatus"], answer["version"], answer["userId"])
            versions = range(len(known), len(acknowledged.get(session, [])) + 1)
            if found[0] not in possible or found[1] not in versions or found[2] != f"user{session}":
                self.fail(round_seed, f"after {done}: session {session} is {found}, not {possible} {versions}")
            listed = json.loads(server.get(f"/v1/users/user{session}/sessions?status=*")[1])["sessions"]
            if [entry["sessionId"] for entry in listed] != [session]:
                self.fail(round_seed, f"after {done}: the list of user{session} is {listed}")


def main():
    chargefold, work, rounds, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    run = Run(chargefold, work, seed)
    for number in range(rounds):
        run.round(seed * 1_000_000 + number)
        if number % 50 == 49:
            print(f"{number + 1} rounds: {dict(sorted(run.counts.items()))}", flush=True)
    print(f"{rounds} rounds: {dict(sorted(run.counts.items()))}", flush=True)


main()
