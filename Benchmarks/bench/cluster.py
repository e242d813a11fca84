"""Several receivers on one shared log: what replication costs, and what it brings. On PostgreSQL with a synchronous standby."""

import glob
import http.client
import json
import os
import pwd
import shutil
import signal
import statistics
import subprocess
import threading
import time

from bench import rows
from bench.client import TOKEN, run_wrk, write_requests
from bench.subjects import Chargefold, free_port

BINARIES = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1] if glob.glob("/usr/lib/postgresql/*/bin") else ""


class Database:
    """A primary, and a synchronous standby."""

    def __init__(self, work):
        self.work = os.path.join(work, "postgres")
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        # Every folder above must let the server's own user through.
        path = self.work
        while path != "/":
            os.chmod(path, os.stat(path).st_mode | 0o011)
            path = os.path.dirname(path)
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(self.work, "postgres", "postgres")
        self.ports = [free_port(), free_port()]

    def command(self, program, *arguments):
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"] if os.geteuid() == 0 else []
        done = subprocess.run(prefix + [os.path.join(BINARIES, program), *arguments], cwd="/", capture_output=True, text=True)
        if done.returncode:
            raise SystemExit("%s: %s" % (program, done.stdout + done.stderr))
        return done.stdout

    def folder(self, index):
        return os.path.join(self.work, "server-%d" % index)

    def start(self):
        self.command("initdb", "--auth=trust", "--username=postgres", "--pgdata", self.folder(0))
        self.configure(0)
        self.run_server(0)
        self.sql("create database chargefold", "postgres")
        self.command("pg_basebackup", "-h", self.work, "-p", str(self.ports[0]), "-U", "postgres", "-D", self.folder(1), "-R", "-c", "fast")
        self.configure(1)
        self.run_server(1)
        self.sql("alter system set synchronous_standby_names = '*'", "postgres")
        self.sql("select pg_reload_conf()", "postgres")
        return self

    def configure(self, index):
        with open(os.path.join(self.folder(index), "postgresql.conf"), "a") as file:
            file.write("port=%d\nlisten_addresses=''\nunix_socket_directories='%s'\nmax_wal_size=2GB\nshared_buffers=128MB\n"
                       % (self.ports[index], self.work))

    def run_server(self, index):
        self.command("pg_ctl", "start", "-w", "-D", self.folder(index), "-l", os.path.join(self.work, "log-%d" % index))

    def sql(self, text, database="chargefold"):
        return self.command("psql", "-h", self.work, "-p", str(self.ports[0]), "-U", "postgres", "-d", database, "-Atc", text)

    def empty(self):
        self.sql("drop schema if exists chargefold cascade")

    @property
    def url(self):
        return "postgresql://postgres@/chargefold?host=%s&port=%d" % (self.work, self.ports[0])

    def freeze(self, is_frozen):
        with open(os.path.join(self.folder(0), "postmaster.pid")) as file:
            first = int(file.readline())
        children = subprocess.run(["pgrep", "--parent", str(first)], capture_output=True, text=True).stdout.split()
        for process in [first, *map(int, children)]:
            try:
                os.kill(process, signal.SIGSTOP if is_frozen else signal.SIGCONT)
            except ProcessLookupError:
                pass

    def insert_rate(self, batch, clients, seconds):
        """Commits a second, and their mean latency in ms, of the same insert with nothing around it."""
        self.sql("drop table if exists bare; create table bare(origin int, sequence bigint, received_at bigint, source smallint,"
                 " body bytea, primary key(origin, sequence))")
        script = os.path.join(self.work, "bare.sql")
        with open(script, "w") as file:
            file.write("\\set first :first + %d\ninsert into bare select :client_id, s, 1749725811000000, 0, "
                       "'\\x%s'::bytea from generate_series(:first::bigint, :first::bigint + %d) s;\n" % (batch, "7b" * 150, batch - 1))
        text = self.command("pgbench", "-h", self.work, "-p", str(self.ports[0]), "-U", "postgres", "-n", "-M", "prepared", "-D", "first=0",
                            "-f", script, "-c", str(clients), "-j", "1", "-T", str(seconds), "chargefold")
        rate = next(float(line.split("=")[1].split()[0]) for line in text.splitlines() if line.startswith("tps"))
        latency = next(float(line.split("=")[1].split()[0]) for line in text.splitlines() if line.startswith("latency average"))
        return rate, latency

    def stop(self):
        for index in (1, 0):
            try:
                self.command("pg_ctl", "stop", "-m", "immediate", "-D", self.folder(index))
            except SystemExit:
                pass


class Receiver(Chargefold):
    """A receiver with a shared log."""

    def __init__(self, work, executable, database, name, **settings):
        super().__init__(work, executable, name)
        self.database = database
        self.settings = settings

    def environment(self):
        extra = {"CHARGEFOLD_REPLICATION_" + name.upper(): value for name, value in self.settings.items()}
        return {
            **super().environment(), "CHARGEFOLD_REPLICATION_URL": self.database.url, "CHARGEFOLD_REPLICATION_NAME": self.name,
            "CHARGEFOLD_API_SEAL_KEY": "benchmark-seal-key-0123456789", "CHARGEFOLD_API_ADMIN_TOKEN": TOKEN + "-admin", **extra}

    def metric(self, name):
        for line in self.get("/metrics", {"Authorization": "Bearer " + TOKEN + "-admin"})[1].decode().splitlines():
            if line.startswith(name + " ") or line.startswith(name + "{"):
                return float(line.split()[-1])
        return 0.0

    def wait_until_shipped(self):
        while self.metric("chargefold_unshipped_deliveries") or not self.metric("chargefold_database_reachable"):
            time.sleep(0.02)


def run(table, executable, requests, rounds, seconds, quick, work):
    database = Database(work).start()
    try:
        ingest(table, executable, database, requests, rounds, seconds, work)
        lag(table, executable, database, work, 300 if quick else 2_000)
        queries(table, executable, database, requests, rounds, seconds, work)
        catch_up(table, executable, database, work, 200_000 if quick else 600_000)
        outage(table, executable, database, work)
    finally:
        database.stop()


def ingest(table, executable, database, requests, rounds, seconds, work):
    alone = Chargefold(work, executable, "alone")
    one = Receiver(work, executable, database, "replicated")
    local = Receiver(work, executable, database, "local", acknowledge="local")
    for connections in (64, 1):
        table.heading("Ingest, %d connections, one receiver (%d rounds of %d s)" % (connections, rounds, seconds))
        results, costs, batches = {}, {}, []
        for number in range(rounds):
            for subject in (alone, one, local):
                database.empty()
                subject.start()
                if subject is not alone:
                    subject.wait_until_shipped()
                try:
                    path = requests[number % len(requests)]
                    before = commits(database)
                    rows.measured(subject, results, costs, lambda: run_wrk(subject.url, connections, seconds, requests=path))
                    if subject is one:
                        done = results["replicated"][-1].requests
                        batches.append(done / max(1, commits(database) - before))
                finally:
                    subject.stop()
        medians = table.compare(results, costs, base="alone")
        batch = max(1, round(statistics.median(batches)))
        rate, latency = database.insert_rate(batch, 1, seconds)
        p50 = statistics.median(r.p50 for r in results["replicated"])
        table.print("  the same insert, %d rows a commit, one connection, nothing around it: %.0f rows/s, %.2f ms a commit" % (
            batch, rate * batch, latency))
        table.print("  replicated: %.3f of its rows, p50 %.2f of its commit" % (medians["replicated"] / (rate * batch), p50 / latency))
    table.print("\nIngest, 2 x 32 connections, two receivers")
    both = []
    for number in range(rounds):
        database.empty()
        pair = [Receiver(work, executable, database, name).start() for name in ("receiver-1", "receiver-2")]
        try:
            for receiver in pair:
                receiver.wait_until_shipped()
            found = [None, None]

            def load(index):
                found[index] = run_wrk(pair[index].url, 32, seconds, requests=requests[(number * 2 + index) % len(requests)])

            threads = [threading.Thread(target=load, args=(index,)) for index in (0, 1)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            both.append(found)
        finally:
            for receiver in pair:
                receiver.stop()
    table.print("  %.0f a second together (%s), p50 %.2f ms, p99 %.2f ms, %d not 200; each event written and folded twice on these cores" % (
        statistics.median(sum(r.rate for r in pair) for pair in both), rows.spread([sum(r.rate for r in pair) for pair in both]),
        statistics.median(r.p50 for pair in both for r in pair), statistics.median(r.p99 for pair in both for r in pair),
        sum(r.bad for pair in both for r in pair)))


def commits(database):
    # What is counted lately is reported lately.
    time.sleep(1.1)
    return int(database.sql("select coalesce(sum(n_tup_upd), 0) from pg_stat_user_tables where relname = 'origins'"))


class Poster:
    """Signed callbacks of sessions of its own, one at a time."""

    def __init__(self, receiver, path):
        self.connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)
        self.requests = []
        with open(path, "rb") as file:
            while length := file.read(4):
                self.requests.append(file.read(int.from_bytes(length, "little")))

    def post(self, number):
        head, body = self.requests[number].split(b"\r\n\r\n", 1)
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        self.connection.request("POST", "/webhooks/session-events", body, fields)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


def lag(table, executable, database, work, count):
    database.empty()
    one = Receiver(work, executable, database, "receiver-1").start()
    other = Receiver(work, executable, database, "receiver-2", reads="local").start()
    try:
        one.wait_until_shipped()
        other.wait_until_shipped()
        path = os.path.join(work, "requests-lag")
        write_requests(path, count, 4711)
        poster = Poster(one, path)
        asker = http.client.HTTPConnection("127.0.0.1", other.port, timeout=20)
        waits = []
        for number in range(count):
            _, answer = poster.post(number)
            begin = time.monotonic()
            while True:
                asker.request("GET", "/v1/sessions/" + answer["sessionId"], headers={"Authorization": "Bearer " + TOKEN})
                found = asker.getresponse()
                body = found.read()
                if found.status == 200 and json.loads(body)["version"] >= answer["version"]:
                    break
            waits.append((time.monotonic() - begin) * 1000)
        waits.sort()
        table.print("\nFrom the answer of one receiver until another one shows it (%d events, asked again and again; one answer takes "
                    "some 0.3 ms)\n  p50 %.2f ms, p99 %.2f ms, longest %.2f ms" % (
                        count, waits[count // 2], waits[count * 99 // 100], waits[-1]))
    finally:
        one.stop()
        other.stop()


def queries(table, executable, database, requests, rounds, seconds, work):
    database.empty()
    strict = Receiver(work, executable, database, "strict").start()
    run_wrk(strict.url, 64, 1, requests=requests[0])
    local = Receiver(work, executable, database, "local", reads="local").start()
    try:
        path = rows.session_path(requests[0])
        while local.get(path, {"Authorization": "Bearer " + TOKEN})[0] != 200:
            time.sleep(0.05)
        for connections in (64, 1):
            table.heading("One session, %d connections, strict and local reads" % connections)
            results, costs = {}, {}
            for _ in range(rounds):
                for subject in (strict, local):
                    rows.measured(subject, results, costs, lambda: run_wrk(
                        subject.url + path, connections, seconds, headers=[rows.AUTHORIZATION]))
            table.compare(results, costs, base="local")
    finally:
        strict.stop()
        local.stop()


def catch_up(table, executable, database, work, count):
    database.empty()
    one = Receiver(work, executable, database, "receiver-1", acknowledge="local").start()
    path = os.path.join(work, "requests-catch-up")
    write_requests(path, count, 815)
    run_wrk(one.url, 64, 60, requests=path)
    one.wait_until_shipped()
    there = one.metric("chargefold_log_position")
    begin = time.monotonic()
    other = Receiver(work, executable, database, "receiver-2").start()
    try:
        ready = time.monotonic() - begin
        while other.metric("chargefold_log_position") < there:
            time.sleep(0.01)
        logged = time.monotonic() - begin
        while other.get(rows.session_path(path), {"Authorization": "Bearer " + TOKEN})[0] != 200:
            time.sleep(0.01)
        folded = time.monotonic() - begin
        table.print("\nA new receiver beside one with %.0f deliveries\n  takes callbacks after %.2f s, has logged all after %.2f s, answers "
                    "queries after %.2f s: %.0f deliveries/s" % (there, ready, logged, folded, there / folded))
    finally:
        other.stop()
        one.stop()


def outage(table, executable, database, work):
    database.empty()
    one = Receiver(work, executable, database, "receiver-1").start()
    try:
        one.wait_until_shipped()
        path = os.path.join(work, "requests-outage")
        write_requests(path, 30_000, 4)
        poster = Poster(one, path)
        took, local, bad, number = [], 0, 0, 0
        begin = time.monotonic()
        stages = [(2, lambda: database.freeze(True)), (12, lambda: database.freeze(False)), (16, None)]
        for until, action in stages:
            while time.monotonic() < begin + until:
                before = time.monotonic()
                status, answer = poster.post(number)
                took.append((time.monotonic() - before) * 1000)
                number += 1
                bad += status != 200
                local += answer.get("durability") == "local"
                time.sleep(0.001)
            if action:
                action()
        one.wait_until_shipped()
        slow = [t for t in took if t > 100]
        took.sort()
        table.print("\nThe database frozen for 10 s, one caller\n  %d callbacks, %d not 200, %d answered as local; p50 %.2f ms, p99 %.2f ms; "
                    "%d took more than 100 ms, the longest %.0f ms" % (
                        len(took), bad, local, took[len(took) // 2], took[len(took) * 99 // 100], len(slow), took[-1]))
    finally:
        one.stop()
