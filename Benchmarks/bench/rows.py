"""The rows of the table. Subjects take turns, A B A B, so that what else the machine does meets all of them."""

import os
import statistics
import subprocess
import sys
import time

from bench.client import TOKEN, run_wrk

AUTHORIZATION = "Authorization: Bearer " + TOKEN


def note(text):
    print("    " + text, file=sys.stderr, flush=True)


def spread(values):
    return "%.0f-%.0f" % (min(values), max(values))


class Table:
    def __init__(self):
        self.lines = []

    def heading(self, text):
        self.print("\n%s\n%-12s %10s %19s %7s %9s %9s %8s %8s" % (
            text, "", "median /s", "spread", "ratio", "p50 ms", "p99 ms", "CPU us", "client"))

    def print(self, text):
        self.lines.append(text)
        print(text, flush=True)

    def compare(self, results, costs, base="nginx"):
        """One line a subject; the ratio is to `base`, median to median."""
        medians = {name: statistics.median(r.rate for r in runs) for name, runs in results.items()}
        for name, runs in results.items():
            bad = sum(r.bad for r in runs)
            self.print("%-12s %10.0f %19s %7.3f %9.2f %9.2f %8.1f %8.2f%s" % (
                name, medians[name], spread([r.rate for r in runs]), medians[name] / (medians[base] or 1),
                statistics.median(r.p50 for r in runs), statistics.median(r.p99 for r in runs),
                statistics.median(costs[name]), statistics.median(r.client_cores for r in runs),
                "  %d NOT 200" % bad if bad else ""))
        return medians


def measured(subject, results, costs, run):
    before = subject.cpu_seconds()
    result = run()
    used = subject.cpu_seconds() - before
    results.setdefault(subject.name, []).append(result)
    costs.setdefault(subject.name, []).append(used / max(1, result.requests) * 1e6)


def ingest(table, subjects, requests, connections, rounds, seconds):
    """Unique signed events into an empty store."""
    table.heading("Ingest, %d connections (%d rounds of %d s)" % (connections, rounds, seconds))
    results, costs = {}, {}
    for number in range(rounds):
        for subject in subjects:
            subject.start()
            try:
                path = requests[number % len(requests)]
                measured(subject, results, costs, lambda: run_wrk(
                    subject.url, connections, seconds, requests=path, repeats=subject.is_indifferent))
            finally:
                subject.stop()
        note("round %d: %s" % (number + 1, ", ".join("%s %.0f" % (n, r[-1].rate) for n, r in results.items())))
    medians = table.compare(results, costs)
    if connections == 1:
        # What one caller at a time could have at best: each event waits for a sync of its own.
        syncs = sync_rate(subjects[0].work)
        table.print("  append of 4 KiB and fdatasync, nothing else: %.0f a second; chargefold %.3f of it" % (
            syncs, medians["chargefold"] / syncs))
    return medians


def sync_rate(folder, count=2_000):
    """How often a second the disk can be asked to keep what was appended."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "sync-rate")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        page = bytes(4096)
        started = time.monotonic()
        for _ in range(count):
            os.write(descriptor, page)
            os.fdatasync(descriptor)
        return count / (time.monotonic() - started)
    finally:
        os.close(descriptor)
        os.unlink(path)


def query(table, title, chargefold, nginx, path, rounds, seconds, connections):
    """GETs of one path against nginx's `return 200` of the same body; both must run already."""
    status, body = chargefold.get(path, {"Authorization": "Bearer " + TOKEN})
    if status != 200:
        return table.print("\n%s: %s answers %d, left out" % (title, path, status))
    nginx.body = body.decode()
    nginx.start()
    table.heading("%s, %d bytes, %d connections (%d rounds of %d s)" % (title, len(body), connections, rounds, seconds))
    results, costs = {}, {}
    try:
        for _ in range(rounds):
            for subject in (chargefold, nginx):
                measured(subject, results, costs, lambda: run_wrk(
                    subject.url + path, connections, seconds, headers=[AUTHORIZATION]))
    finally:
        nginx.stop()
    return table.compare(results, costs)


def per_request(table, chargefold, requests, mallocs, work):
    """System calls and allocations of one ingest request, and of one query, at 64 connections."""
    counters = os.path.join(work, "mallocs")
    with open(counters, "wb") as file:
        file.write(bytes(4096))
    table.print("\nPer request at 64 connections")
    chargefold.start(extra={"LD_PRELOAD": mallocs, "MALLOCS": counters})
    try:
        run_wrk(chargefold.url, 64, 1, requests=requests[0])
        start = allocated(counters)
        result = run_wrk(chargefold.url, 64, 2, requests=requests[1 % len(requests)])
        now = allocated(counters)
        table.print("  ingest     %6.1f allocations, %7.0f bytes" % (
            (now[0] - start[0]) / result.requests, (now[1] - start[1]) / result.requests))
        path = session_path(requests[0])
        start = allocated(counters)
        result = run_wrk(chargefold.url + path, 64, 2, headers=[AUTHORIZATION])
        now = allocated(counters)
        table.print("  query      %6.1f allocations, %7.0f bytes" % (
            (now[0] - start[0]) / result.requests, (now[1] - start[1]) / result.requests))
    finally:
        chargefold.stop()
    chargefold.start()
    try:
        system_calls(table, "ingest", chargefold, lambda: run_wrk(chargefold.url, 64, 3, requests=requests[0]))
        system_calls(table, "query", chargefold, lambda: run_wrk(
            chargefold.url + path, 64, 3, headers=[AUTHORIZATION]))
    finally:
        chargefold.stop()


def allocated(path):
    with open(path, "rb") as file:
        data = file.read(16)
    return int.from_bytes(data[:8], "little"), int.from_bytes(data[8:], "little")


def session_path(requests):
    with open(requests, "rb") as file:
        first = file.read(1000)
    return "/v1/sessions/" + first.split(b'"sessionId":"')[1].split(b'"')[0].decode()


def system_calls(table, name, subject, run):
    """strace slows the server down, and with it changes how much is shared in one commit: an upper bound."""
    trace = subprocess.Popen(
        ["strace", "-c", "-f", "-p", str(subject.process.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True)
    time.sleep(0.3)
    result = run()
    trace.terminate()
    rows = []
    for line in trace.communicate()[1].splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[3].isdigit() and fields[-1] not in ("total", "calls"):
            rows.append((int(fields[3]) / max(1, result.requests), fields[-1]))
    rows.sort(reverse=True)
    table.print("  %-10s %6.2f system calls: %s" % (
        name, sum(count for count, _ in rows), ", ".join("%s %.2f" % (call, count) for count, call in rows[:7])))
