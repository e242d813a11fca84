#!/usr/bin/env python3
"""The chaos run of scripts/e2e: drives sessions through Chargefold's gateway, waits for their end, compares the outcome."""
import argparse
import collections
import http.client
import json
import queue
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request


class Client:
    """One kept-alive connection; any failure of it is an answer of status 0."""

    def __init__(self, url):
        self.host = urllib.parse.urlsplit(url).netloc
        self.connection = None

    def send(self, method, path, body=None, headers=None):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, timeout=40)
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            if self.connection is not None:
                self.connection.close()
            self.connection = None
            return 0, b""


def drive(options):
    """Starts the sessions, each on a connector of its own, and stops some of them."""
    connectors = load_connectors(options)
    work = queue.Queue()
    for number in range(options.sessions):
        work.put((0.0, number, "start", None, 0))
    counts = collections.Counter()
    lock = threading.Lock()
    deadline = time.monotonic() + 180
    pending = [options.sessions]
    # Spread over the kills.
    pace = 20.0 / max(options.sessions, 1)
    begun = time.monotonic()

    def count(name):
        with lock:
            counts[name] += 1

    def finish():
        with lock:
            pending[0] -= 1

    def worker():
        client = Client(options.gateway)
        authorization = {"Authorization": "Bearer " + options.token}
        while time.monotonic() < deadline:
            with lock:
                if pending[0] == 0:
                    return
            try:
                due, number, kind, session, tries = work.get(timeout=0.2)
            except queue.Empty:
                continue
            due = max(due, begun + number * pace) if kind == "start" else due
            if time.monotonic() < due:
                time.sleep(0.002)
                work.put((due, number, kind, session, tries))
                continue
            user = "user-%d" % (number % 50)
            if kind == "start":
                body = json.dumps({"connectorId": connectors[number]})
                status, answer = client.send(
                    "POST", "/v1/users/%s/sessions/start" % user, body,
                    dict(authorization, **{"Idempotency-Key": "start-%d-%d-%d" % (options.seed, number, session or 0)}))
                if status == 200:
                    count("started")
                    identity = json.loads(answer).get("sessionId")
                    if identity and random.Random(options.seed * 7919 + number).random() < 0.4:
                        work.put((time.monotonic() + 3, number, "stop", identity, 0))
                    else:
                        finish()
                    continue
                problem = json.loads(answer).get("type", "") if answer[:1] == b"{" else ""
                if problem.endswith("idempotency-outcome-unknown"):
                    # Killed in the middle: started or not. An app would look at the user's sessions first; here another
                    # start does no harm.
                    count("outcome unknown")
                    work.put((time.monotonic() + 0.5, number, kind, (session or 0) + 1, tries + 1))
                    continue
                count("start answered %d" % status)
                # The API has failed, and the answer is kept for the key: another try is another request.
                if problem.endswith("drive-api-upstream-failed"):
                    session = (session or 0) + 1
                if tries < 100 and status in (0, 409, 429, 500, 502, 503, 504):
                    work.put((time.monotonic() + 0.5, number, kind, session, tries + 1))
                else:
                    finish()
            else:
                status, _ = client.send("POST", "/v1/users/%s/sessions/%s/stop" % (user, session), "", authorization)
                if status != 200 and tries < 100:
                    count("stop answered %d" % status)
                    work.put((time.monotonic() + 0.5, number, kind, session, tries + 1))
                else:
                    count("stopped")
                    finish()

    threads = [threading.Thread(target=worker) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(", ".join("%s: %d" % item for item in sorted(counts.items())))


def load_connectors(options):
    body = json.dumps({"filters": {}})
    status, answer = Client(options.sandbox).send(
        "POST", "/drive/v1/geosearch/radius?latitude=52.52&longitude=13.405&distance=1000&limit=300&aggregate=false",
        body, {"X-API-Key": "e2e-drive-api-key", "Content-Type": "application/json"})
    assert status == 200, (status, answer)
    found = [
        connector["id"]
        for location in json.loads(answer)["locations"]
        for station in location["stations"]
        for evse in station["evses"]
        for connector in evse["connectors"]
    ]
    assert len(found) >= options.sessions, len(found)
    return found


def settle(options):
    client = Client(options.sandbox)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        status, answer = client.send("GET", "/sandbox")
        if status == 200:
            summary = json.loads(answer)
            if summary["due"] == 0 and summary["callbacksUnderWay"] == 0:
                print(json.dumps(summary))
                return
        time.sleep(0.25)
    print("the sandbox has not settled: %s" % answer.decode())
    sys.exit(1)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


def read_log(control):
    """All events and all sessions with a charge detail record that a receiver has, whoever received them."""
    events, records = set(), set()
    position = 1
    while True:
        control.request("GET", "/v1/log?from=%d&limit=20000" % position)
        lines = control.getresponse().read().splitlines()
        if not lines:
            return events, records
        for line in lines:
            row = json.loads(line)
            position = row["position"] + 1
            payload = json.loads(row["body"])
            if row["source"] == "webhook":
                events.add((payload["payload"]["sessionId"], payload["event"], payload["payload"]["timestamp"]))
            elif row["source"] == "cdr":
                records.add(payload["payload"]["sessionId"])


def compare(options):
    truth = json.loads(Client(options.sandbox).send("GET", "/sandbox/sessions")[1])["sessions"]
    clients = [Client(receiver) for receiver in options.receiver]
    authorization = {"Authorization": "Bearer " + options.token}

    def differences():
        found = {}
        for session in truth:
            for client in clients:
                status, answer = client.send("GET", "/v1/sessions/" + session["sessionId"], None, authorization)
                state = json.loads(answer).get("sessionStatus") if status == 200 else "HTTP %d" % status
                if state != session["sessionStatus"]:
                    found[session["sessionId"]] = (session["sessionId"], session["sessionStatus"], state)
        return list(found.values())

    deadline = time.monotonic() + options.seconds
    begun = time.monotonic()
    differing = differences()
    while differing and time.monotonic() < deadline:
        # Refunds are what only the history tells so soon. Sessions whose start was not answered are looked for.
        if all(wanted == "REFUNDED" for _, wanted, state in differing):
            break
        time.sleep(1)
        differing = differences()
    before = len(differing)
    reconciled_seconds = round(time.monotonic() - begun, 1)
    refunds = sum(wanted == "REFUNDED" for _, wanted, _ in differing)
    with open(options.api_log, encoding="utf-8") as file:
        searches = sum("/sessions/history " in line for line in file)
    users = sorted({session["userId"] for session in truth})
    arguments = [options.chargefold, "backfill"] + [word for user in users for word in ("--user", user)]
    backfill = subprocess.run(arguments, capture_output=True, text=True, check=False)
    differing = differences()
    for line in differing[:20]:
        print(line, file=sys.stderr)

    logs, crashes = [], []
    for path in options.socket:
        control = UnixConnection(path)
        logs.append(read_log(control))
        control.request("GET", "/v1/downtime?limit=100&sessions=0")
        downtimes = json.loads(control.getresponse().read())["downtimes"]
        crashes += [downtime for downtime in downtimes if downtime["cause"] == "crashed"]
    acknowledged = lost = dropped = repeated = unanswered = 0
    for session in truth:
        for callback in session["callbacks"]:
            repeated += callback["sent"] > 1
            dropped += callback["sent"] == 0
            if 200 not in callback["answers"]:
                unanswered += callback["sent"] > 0
                continue
            acknowledged += 1
            for events, records in logs:
                if callback["event"] == "CHARGE_DETAIL_RECORD":
                    lost += session["sessionId"] not in records
                else:
                    lost += (session["sessionId"], callback["event"], callback["timestamp"]) not in events

    calls = collections.Counter()
    pattern = re.compile(r"GET /drive/v1/users/[^/]+/sessions/([^/ ]+) ")
    with open(options.api_log, encoding="utf-8") as file:
        for line in file:
            match = pattern.match(line)
            if match:
                calls[match.group(1)] += 1
    numbers = sorted(calls.get(session["sessionId"], 0) for session in truth)
    print(json.dumps({
        "sessions": len(truth),
        "differ": len(differing),
        "differedBeforeBackfill": before,
        "refundsAmongThem": refunds,
        "reconciledAfterSeconds": reconciled_seconds,
        "backfill": backfill.stdout.strip() + backfill.stderr.strip(),
        "statuses": dict(collections.Counter(session["sessionStatus"] for session in truth)),
        "callbacksAcknowledged": acknowledged,
        "callbacksDropped": dropped,
        "callbacksRepeated": repeated,
        "unanswered": unanswered,
        "lost": lost,
        "downtimes": len(crashes),
        "sessionsAffected": sum(downtime["sessions"]["affected"] for downtime in crashes),
        "sessionsReconciled": sum(downtime["sessions"]["reconciled"] for downtime in crashes),
        "calls": sum(numbers),
        "callsPerSession": round(sum(numbers) / max(len(numbers), 1), 2),
        "historyCallsBeforeBackfill": searches,
        "callsMedian": numbers[len(numbers) // 2] if numbers else 0,
        "callsMax": numbers[-1] if numbers else 0,
    }))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["drive", "settle", "compare"])
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    for name in ("gateway", "sandbox", "token", "api-log", "chargefold"):
        parser.add_argument("--" + name)
    # Of each receiver.
    for name in ("receiver", "socket"):
        parser.add_argument("--" + name, action="append")
    options = parser.parse_args()
    {"drive": drive, "settle": settle, "compare": compare}[options.command](options)


if __name__ == "__main__":
    main()
