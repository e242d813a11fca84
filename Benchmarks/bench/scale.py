"""Rows about size: many sessions, idle connections, live streams."""

import http.client
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import threading
import time

from bench.client import TOKEN, run_wrk
from bench.rows import AUTHORIZATION, note


def folder_bytes(path):
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def fill(chargefold, filler, sessions, seed):
    """Generated sessions, in realistic order, straight into the store; returns the number of events."""
    shutil.rmtree(chargefold.work, ignore_errors=True)
    os.makedirs(chargefold.work)
    filled = subprocess.run(
        [filler, chargefold.data, str(sessions), str(seed)], stdout=subprocess.PIPE, text=True, check=True)
    return int(filled.stdout)


def many_sessions(table, chargefold, filler, sessions, requests, rounds, seconds, work):
    """The same server with an empty store and with a full one: start, memory, query, ingest, disk."""
    table.print("\n%d sessions in the store" % sessions)
    chargefold.start()
    try:
        empty_memory = chargefold.memory_kib()
        empty_start = chargefold.start_seconds
    finally:
        chargefold.stop()
    table.print("  empty:  ready after %.3f s, %.1f MiB resident" % (empty_start, empty_memory / 1024))
    started = time.monotonic()
    events = fill(chargefold, filler, sessions, 1)
    note("filled in %.0f s" % (time.monotonic() - started))
    paths = os.path.join(work, "paths")
    sample(chargefold, sessions, paths)
    size = folder_bytes(chargefold.data)
    table.print("  %d events, %.0f bytes on disk an event" % (events, size / events))
    chargefold.start(fresh=False)
    try:
        table.print("  full:   ready after %.3f s, %.1f MiB resident" % (
            chargefold.start_seconds, chargefold.memory_kib() / 1024))
        cold = [run_wrk(chargefold.url, 64, seconds, paths=paths, headers=[AUTHORIZATION]) for _ in range(1)]
        table.print("  random sessions from disk: %.0f a second, p50 %.2f ms, p99 %.2f ms, %.1f MiB resident" % (
            cold[0].rate, cold[0].p50, cold[0].p99, chargefold.memory_kib() / 1024))
    finally:
        chargefold.stop()
    rates = {"empty": [], "full": []}
    memory = 0
    full, empty = chargefold, type(chargefold)(work, chargefold.executable, "empty")
    for number in range(rounds):
        for name, subject in (("empty", empty), ("full", full)):
            subject.start(fresh=name == "empty")
            result = run_wrk(subject.url, 64, seconds, requests=requests[number % len(requests)])
            rates[name].append(result.rate)
            if name == "full":
                memory = max(memory, subject.memory_kib())
            subject.stop()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    table.print("  ingest at 64 connections: empty %.0f a second, full %.0f, ratio %.3f; %.1f MiB resident at most" % (
        medians["empty"], medians["full"], medians["full"] / medians["empty"], memory / 1024))


def sample(chargefold, sessions, path):
    """Paths of random sessions, out of the log."""
    choose = random.Random(1)
    wanted = 20_000
    # As store-fill has made them.
    export = subprocess.Popen(
        [chargefold.executable, "generate", "--sessions", str(sessions), "--seed", "1", "--users",
         str(max(10_000, sessions // 50))], stdout=subprocess.PIPE)
    found = set()
    for line in export.stdout:
        if choose.random() < wanted * 3 / (3 * sessions) * 1.5:
            found.add(line.split(b'"sessionId":"')[1].split(b'"')[0].decode())
    export.wait()
    names = sorted(found)
    choose.shuffle(names)
    with open(path, "w") as file:
        file.writelines("/v1/sessions/%s\n" % name for name in names[:wanted])


def idle_connections(table, chargefold, count):
    """Kept-alive connections that have had one answer."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(count, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 200), hard))
    chargefold.start()
    held = []
    try:
        before = chargefold.memory_kib()
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", chargefold.port))
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.recv(4096)
            held.append(connection)
        after = chargefold.memory_kib()
        table.print("\n%d idle connections: %.1f KiB each (%.1f MiB before, %.1f MiB after)" % (
            count, (after - before) / count, before / 1024, after / 1024))
    finally:
        for connection in held:
            connection.close()
        chargefold.stop()


def live_streams(table, chargefold, requests, listeners, seconds):
    """Server-Sent Events: what all listeners together receive while events come in."""
    headers = {"Authorization": "Bearer " + TOKEN, "Accept": "text/event-stream"}
    chargefold.start()
    streams = []
    try:
        for _ in range(listeners):
            connection = http.client.HTTPConnection("127.0.0.1", chargefold.port, timeout=30)
            connection.request("GET", "/v1/events", headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                return table.print("\nLive streams: /v1/events answers %d, left out" % response.status)
            streams.append(connection.sock or response.fp.raw._sock)
        received = [0] * listeners
        last = [time.monotonic()] * listeners

        def listen(index):
            sock = streams[index]
            sock.settimeout(2)
            try:
                while piece := sock.recv(262144):
                    # `data:` cannot be anywhere else: it follows a line end, and JSON text has none.
                    received[index] += piece.count(b"\ndata:")
                    last[index] = time.monotonic()
            except OSError:
                pass

        threads = [threading.Thread(target=listen, args=(index,)) for index in range(listeners)]
        for thread in threads:
            thread.start()
        started = time.monotonic()
        result = run_wrk(chargefold.url, 16, seconds, requests=requests[0])
        for thread in threads:
            thread.join()
        elapsed = max(last) - started
        note("live streams: %d events in, %d to %d at a listener" % (result.requests, min(received), max(received)))
        # A boundary of a piece within `data:` is not counted, so slightly less than all is all.
        table.print("\nLive streams: %d listeners, %.0f events a second in, %.0f a second delivered, %.2f of all" % (
            listeners, result.rate, sum(received) / elapsed, sum(received) / max(1, result.requests * listeners)))
    finally:
        chargefold.stop()
