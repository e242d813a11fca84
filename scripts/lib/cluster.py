"""Receivers, databases, a proxy and a load, and what breaks of them; see scripts/cluster-test.

usage: cluster.py CHARGEFOLD WORK SECONDS SEED [--quick] [--only FAULT,...]

Runs in a network and a mount namespace of its own, as root: PostgreSQL with a synchronous standby (10.99.0.2, 10.99.0.3), three
receivers in network namespaces of their own (10.99.0.11 to .13), and nginx with config/nginx.conf in front of them.
"""

import argparse
import base64
import collections
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time

SECRET = "cluster-test-webhook-secret"
TOKEN = "cluster-test-api-token"
ADMIN = "cluster-test-admin-token"
SEAL = "cluster-test-seal-key-0123456789abcdef"
LIBRARY = pathlib.Path(__file__).resolve().parent
BINARIES = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
started = time.monotonic()


def say(message):
    print(f"{time.monotonic() - started:7.1f}  {message}", flush=True)


def run(*command, check=True, **options):
    words = [str(word) for word in command]
    result = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if check and result.returncode:
        raise Failure(f"{' '.join(words)}: {result.stdout[-1000:]}")
    return result


def without_running_duration(answer):
    return answer if b'"stopTime"' in answer else re.sub(rb'"duration":"[^"]*",', b"", answer)


def wait_until(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Failure(Exception):
    """A promise that does not hold."""


class Network:
    """A bridge, and a namespace a receiver on it."""

    def __init__(self):
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "br0", "type", "bridge")
        for address in ("10.99.0.1", "10.99.0.2", "10.99.0.3"):
            run("ip", "address", "add", f"{address}/24", "dev", "br0")
        run("ip", "link", "set", "br0", "up")

    def add(self, name, address):
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"{name}-out", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", f"{name}-out", "master", "br0", "up")
        for command in (("link", "set", "lo", "up"), ("address", "add", f"{address}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
            run("ip", "-n", name, *command)

    def cut_off(self, name, is_off):
        """Nothing gets in or out."""
        run("ip", "link", "set", f"{name}-out", "down" if is_off else "up")

    def hide_databases(self, name, is_hidden):
        """What it sends to the databases goes nowhere, silently; what they send still comes."""
        for address in ("10.99.0.2", "10.99.0.3"):
            if is_hidden:
                run("ip", "-n", name, "neigh", "replace", address, "lladdr", "02:00:00:00:00:99", "nud", "permanent", "dev", "eth0")
            else:
                run("ip", "-n", name, "neigh", "del", address, "dev", "eth0", check=False)


class Postgres:
    """One database server; a primary or a standby."""

    def __init__(self, work, name, address):
        home = work / "databases"
        home.mkdir(exist_ok=True)
        shutil.chown(home, "postgres", "postgres")
        self.directory = home / name
        self.address = address
        self.log = work / f"{name}.log"
        self.log.touch()
        shutil.chown(self.log, "postgres")

    def command(self, program, *arguments, **options):
        return run("runuser", "-u", "postgres", "--", BINARIES / program, *arguments, cwd="/", **options)

    def make(self):
        self.command("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--pgdata", self.directory)
        with open(self.directory / "pg_hba.conf", "a", encoding="utf-8") as access:
            access.write("host all all 10.99.0.0/24 trust\nhost replication all 10.99.0.0/24 trust\n")
        with open(self.directory / "postgresql.conf", "a", encoding="utf-8") as settings:
            settings.write(
                "unix_socket_directories=''\nwal_level=replica\nmax_wal_senders=8\nhot_standby=on\nshared_buffers=32MB\n"
                "wal_keep_size=256MB\nmax_connections=60\n"
                # Servers die here, machines do not.
                "fsync=off\ninclude_if_exists='here.conf'\n")
        self.write_address()

    def write_address(self, synchronous=""):
        (self.directory / "here.conf").write_text(
            f"listen_addresses='{self.address}'\nsynchronous_standby_names='{synchronous}'\n", encoding="utf-8")
        shutil.chown(self.directory / "here.conf", "postgres")

    def follow(self, primary):
        shutil.rmtree(self.directory, ignore_errors=True)
        self.command("pg_basebackup", "-h", primary.address, "-U", "postgres", "-D", self.directory, "-R", "-c", "fast", "-X", "stream",
                     "--no-sync")
        self.write_address()
        self.start()

    def start(self):
        self.command("pg_ctl", "start", "-w", "-D", self.directory, "-l", self.log)

    def stop(self, mode):
        self.command("pg_ctl", "stop", "-w", "-m", mode, "-D", self.directory, check=False)

    def promote(self):
        self.command("pg_ctl", "promote", "-w", "-D", self.directory)

    def sql(self, text, database="chargefold", seconds=20):
        result = run(
            "psql", "-h", self.address, "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-Atc", text, check=False,
            env=dict(os.environ, PGCONNECT_TIMEOUT="5", PGOPTIONS=f"-c statement_timeout={seconds}s"))
        if result.returncode:
            raise Failure(f"{text}: {result.stdout}")
        return result.stdout.strip()

    def require_standby(self, is_required):
        self.write_address("*" if is_required else "")
        self.sql("select pg_reload_conf()", database="postgres")

    def processes(self):
        first = int((self.directory / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        found = run("pgrep", "--parent", first, check=False).stdout.split()
        return [first, *map(int, found)]

    def freeze(self, is_frozen):
        for process in self.processes():
            try:
                os.kill(process, signal.SIGSTOP if is_frozen else signal.SIGCONT)
            except ProcessLookupError:
                pass


class Receiver:
    def __init__(self, cluster, number):
        self.cluster = cluster
        self.name = f"receiver-{number}"
        self.namespace = f"r{number}"
        self.address = f"10.99.0.1{number}"
        self.directory = cluster.work / self.name
        self.log = cluster.work / f"{self.name}.log"
        self.process = None
        cluster.network.add(self.namespace, self.address)

    def start(self):
        environment = dict(
            os.environ, CHARGEFOLD_DATA_DIRECTORY=str(self.directory), CHARGEFOLD_HTTP_HOST="0.0.0.0", CHARGEFOLD_HTTP_PORT="8080",
            CHARGEFOLD_WEBHOOK_SECRET_CURRENT=SECRET, CHARGEFOLD_API_TOKEN=TOKEN, CHARGEFOLD_API_ADMIN_TOKEN=ADMIN,
            CHARGEFOLD_API_SEAL_KEY=SEAL, CHARGEFOLD_REPLICATION_NAME=self.name, CHARGEFOLD_HTTP_WORKERS="1",
            CHARGEFOLD_REPLICATION_URL=
            "postgresql://postgres@10.99.0.2:5432,10.99.0.3:5432/chargefold?target_session_attrs=read-write")
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, self.cluster.chargefold, "serve"], env=environment,
                stdout=subprocess.DEVNULL, stderr=output, cwd="/")
        wait_until(f"{self.name} is ready", self.is_ready)

    def is_ready(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} has ended: {self.log.read_text(errors='replace')[-2000:]}")
        try:
            return self.get("/readyz", seconds=1)[0] == 200
        except OSError:
            return False

    def request(self, method, path, seconds=10, token=TOKEN, body=None):
        connection = http.client.HTTPConnection(self.address, 8080, timeout=seconds)
        try:
            connection.request(method, path, body, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def get(self, path, seconds=10, token=TOKEN):
        return self.request("GET", path, seconds, token)

    def metric(self, name):
        text = self.get("/metrics", token=ADMIN)[1].decode()
        found = re.search(rf"^{name}(?:{{[^}}]*}})? ([-+.0-9eE]+)", text, re.MULTILINE)
        return float(found.group(1)) if found else None

    def end(self, with_signal):
        self.process.send_signal(with_signal)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{self.name} does not stop") from error


class Load(threading.Thread):
    """Posts events through the proxy, each once, as the Drive API does; keeps what was answered."""

    def __init__(self, cluster, seed, threads=6):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.count = 0
        self.waiting = []
        self.sent = {}  # session: {n: event}
        self.outcomes = collections.Counter()
        self.unanswered = []
        self.local = set()
        self.slowest = 0.0
        self.is_over = threading.Event()
        self.is_paused = threading.Event()
        self.posters = [threading.Thread(target=self.post_all, daemon=True) for _ in range(threads)]

    def run(self):
        for poster in self.posters:
            poster.start()

    def finish(self):
        self.is_over.set()
        for poster in self.posters:
            poster.join()

    def next_body(self):
        with self.lock:
            if not self.waiting:
                self.make_session()
            if self.random.random() < 0.05 and self.sent:
                # Upstream sends some twice.
                session = self.random.choice(list(self.sent)[-20:])
                event = self.random.choice(list(self.sent[session].values()))
            else:
                event = self.waiting.pop(self.random.randrange(len(self.waiting)))
                payload = event["payload"]
                self.sent.setdefault(payload["sessionId"], {})[payload["n"]] = event
            return event

    def make_session(self):
        """A few sessions at a time, so that their events come in any order."""
        for _ in range(8):
            self.count += 1
            session = f"S{self.count:06d}"
            names = ["SESSION_STARTED", "SESSION_FEE_INCURRING", "SESSION_STOPPED", "SESSION_COMPLETE"]
            if self.random.random() < 0.3:
                names = names[:self.random.randrange(1, 4)]
            for index, name in enumerate(names):
                stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_760_000_000 + self.count * 10 + index))
                payload = {"sessionId": session, "userId": f"user{self.count % 40}", "timestamp": stamp, "n": index}
                if name == "SESSION_FEE_INCURRING":
                    payload.update(feeType="BLOCKING", feeWillApplyFrom=stamp)
                self.waiting.append({"event": name, "payload": payload})

    def post_all(self):
        connection = None
        while not self.is_over.is_set():
            if self.is_paused.is_set():
                time.sleep(0.02)
                continue
            event = self.next_body()
            body = json.dumps(event, separators=(",", ":")).encode()
            headers = {"Content-Type": "application/json", "X-HMAC-SHA512-Signature": sign(body), "Host": "chargefold.example"}
            begin = time.monotonic()
            try:
                # A connection a request: one that nginx has just closed would be tried again by the client, which upstream does not.
                connection = self.cluster.proxy_connection(20)
                connection.request("POST", "/webhooks/session-events", body, headers)
                answer = connection.getresponse()
                status, content = answer.status, answer.read()
            except (OSError, http.client.HTTPException) as error:
                status, content = None, str(error).encode()
            finally:
                if connection:
                    connection.close()
            took = time.monotonic() - begin
            with self.lock:
                self.slowest = max(self.slowest, took)
                self.outcomes[status] += 1
                if status != 200:
                    self.unanswered.append((round(begin - started, 2), status, content[:200], event))
                elif json.loads(content).get("durability") == "local":
                    self.local.add(body)
            time.sleep(0.004)


class Reader(threading.Thread):
    """Reads the stream of all changes through the proxy, and resumes wherever the proxy leads it."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.last = "0"
        self.changes = collections.Counter()
        # For each session in which connection, under which id and as what its changes were told.
        self.told = collections.defaultdict(list)
        self.connections = 0
        self.resets = 0
        self.is_over = threading.Event()

    def run(self):
        while not self.is_over.is_set():
            try:
                self.read_some()
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.2)

    def read_some(self):
        connection = self.cluster.proxy_connection(8)
        try:
            connection.request("GET", "/v1/events", headers={
                "Authorization": f"Bearer {TOKEN}", "Host": "chargefold.example", "Last-Event-ID": self.last})
            answer = connection.getresponse()
            if answer.status != 200:
                answer.read()
                time.sleep(0.2)
                return
            self.connections += 1
            until = time.monotonic() + 5
            event = {}
            while time.monotonic() < until or event:
                line = answer.readline().decode().rstrip("\n")
                if line.startswith(":"):
                    continue
                if line:
                    name, _, value = line.partition(":")
                    event[name] = value.removeprefix(" ")
                    continue
                self.take(event)
                event = {}
        finally:
            connection.close()

    def take(self, event):
        if event.get("event") == "reset":
            self.resets += 1
        if event.get("id"):
            self.last = event["id"]
        if event.get("event") in ("status", "fee", "fact"):
            data = json.loads(event["data"])
            session = data["session"]["sessionId"] if "session" in data else data["sessionId"]
            self.changes[session] += 1
            self.told[session].append((self.connections, event.get("id"), event["event"]))


def sign(body):
    return base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha512).digest()).decode()


class Cluster:
    def __init__(self, chargefold, work, seed, is_quick):
        self.is_quick = is_quick
        self.chargefold = chargefold
        self.work = pathlib.Path(work)
        self.random = random.Random(seed)
        self.network = Network()
        self.primary = Postgres(self.work, "database-1", "10.99.0.2")
        self.standby = Postgres(self.work, "database-2", "10.99.0.3")
        self.receivers = []
        self.faults = collections.Counter()

    def set_up(self):
        self.primary.make()
        self.primary.start()
        self.primary.sql("create database chargefold", database="postgres")
        self.standby.follow(self.primary)
        self.primary.require_standby(True)
        self.receivers = [Receiver(self, number) for number in (1, 2, 3)]
        for receiver in self.receivers:
            receiver.start()
        self.start_proxy()

    def start_proxy(self):
        tls = self.work / "tls"
        tls.mkdir()
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=chargefold.example", "-keyout", tls / "privkey.pem", "-out", tls / "fullchain.pem")
        run("chown", "-R", "101:101", tls)
        log = self.work / "nginx.log"
        log.touch()
        # nginx opens it again by its own name for it, without privileges.
        log.chmod(0o666)
        with open(log, "ab") as output:
            self.proxy = subprocess.Popen(
                ["unshare", "--mount", "--", "bash", str(LIBRARY / "nginx-enter.sh"), str(LIBRARY.parent.parent / "config/nginx.conf"),
                 str(tls), *(receiver.address for receiver in self.receivers)], stdout=output, stderr=output)
        def answers():
            try:
                connection = self.proxy_connection(2)
                connection.request("GET", "/healthz", headers={"Host": "chargefold.example"})
                return connection.getresponse().status == 200
            except OSError:
                return False
        wait_until("nginx answers", answers, 20)

    def end(self):
        """Ends what was started, so that the folder can go."""
        for process in [self.proxy, *(receiver.process for receiver in self.receivers)]:
            process.kill()
            process.wait()
        for database in (self.standby, self.primary):
            database.stop("immediate")

    def proxy_connection(self, seconds):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection("10.99.0.1", 443, timeout=seconds, context=context)

    def sleep(self, least, most):
        time.sleep(self.random.uniform(least, least + (most - least) / 3 if self.is_quick else most))

    # --- what breaks; each leaves everything whole ---

    def none(self):
        self.sleep(1, 2)

    def kill_receiver(self):
        receiver = self.random.choice(self.receivers)
        receiver.end(signal.SIGKILL)
        self.sleep(0.2, 2)
        receiver.start()

    def freeze_receiver(self):
        receiver = self.random.choice(self.receivers)
        receiver.process.send_signal(signal.SIGSTOP)
        self.sleep(0.5, 5)
        receiver.process.send_signal(signal.SIGCONT)
        wait_until(f"{receiver.name} is ready again", receiver.is_ready)

    def roll(self):
        for receiver in self.receivers:
            receiver.end(signal.SIGTERM)
            receiver.start()

    def cut_receiver_off(self):
        receiver = self.random.choice(self.receivers)
        self.network.cut_off(receiver.namespace, True)
        self.sleep(0.5, 4)
        self.network.cut_off(receiver.namespace, False)
        wait_until(f"{receiver.name} is ready again", receiver.is_ready)

    def hide_databases(self):
        receiver = self.random.choice(self.receivers)
        self.network.hide_databases(receiver.namespace, True)
        self.sleep(0.5, 5)
        self.network.hide_databases(receiver.namespace, False)

    def freeze_database(self):
        self.primary.freeze(True)
        self.sleep(0.5, 5)
        self.primary.freeze(False)

    def stop_database(self):
        self.primary.stop(self.random.choice(["fast", "immediate"]))
        self.sleep(0.2, 3)
        self.primary.start()

    def lose_standby(self):
        """Commits wait for a standby that does not answer."""
        self.standby.stop("immediate")
        self.sleep(0.5, 3)
        self.standby.start()

    def promote(self):
        self.primary.stop("immediate")
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary
        self.primary.require_standby(False)
        self.sleep(0.2, 1)
        self.standby.follow(self.primary)
        self.primary.require_standby(True)

    def empty_database(self):
        if self.random.random() < 0.5:
            self.primary.sql("drop schema chargefold cascade")
        else:
            self.primary.sql("drop database chargefold with (force)", database="postgres")
            self.sleep(0, 1)
            self.primary.sql("create database chargefold", database="postgres")

    def set_database_back(self):
        """The database loses its tail: an older copy of it comes back."""
        copy = Postgres(self.work, "database-copy", self.primary.address)
        shutil.rmtree(copy.directory, ignore_errors=True)
        copy.command("pg_basebackup", "-h", self.primary.address, "-U", "postgres", "-D", copy.directory, "-c", "fast", "-X", "stream",
                     "--no-sync")
        self.sleep(1, 3)
        self.standby.stop("immediate")
        self.primary.stop("immediate")
        shutil.rmtree(self.primary.directory)
        copy.directory.rename(self.primary.directory)
        self.primary.write_address()
        self.primary.start()
        self.standby.follow(self.primary)
        self.primary.require_standby(True)

    def lose_directory(self):
        receiver = self.random.choice(self.receivers)
        with self.quiet(receiver):
            receiver.end(signal.SIGKILL)
            shutil.rmtree(receiver.directory)
        receiver.start()

    def restore_older_directory(self):
        receiver = self.random.choice(self.receivers)
        receiver.end(signal.SIGKILL)
        copy = self.work / "directory-copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(receiver.directory, copy, ignore=shutil.ignore_patterns("control.sock"))
        receiver.start()
        self.sleep(1, 3)
        with self.quiet(receiver):
            receiver.end(signal.SIGKILL)
            shutil.rmtree(receiver.directory)
            shutil.copytree(copy, receiver.directory)
        receiver.start()

    def clone_directory(self):
        """One receiver's directory in two places: one of them is the origin's rightful continuation, whichever comes first."""
        one, other = self.random.sample(self.receivers, 2)
        with self.quiet(one, other):
            for receiver in (one, other):
                receiver.end(signal.SIGKILL)
            shutil.rmtree(other.directory)
            shutil.copytree(one.directory, other.directory, ignore=shutil.ignore_patterns("control.sock"))
        for receiver in self.random.sample([one, other], 2):
            receiver.start()

    # --- two things at once ---

    def start_without_database(self):
        """Nobody can say whether the directory is the newest of its origin, so what it receives gets another one."""
        receiver = self.random.choice(self.receivers)
        self.primary.stop("immediate")
        receiver.end(signal.SIGKILL)
        self.sleep(0, 1)
        receiver.start()
        self.sleep(0.5, 3)
        self.primary.start()

    def empty_database_while_a_receiver_is_down(self):
        receiver = self.random.choice(self.receivers)
        receiver.end(self.random.choice([signal.SIGKILL, signal.SIGTERM]))
        self.empty_database()
        self.sleep(0.5, 3)
        receiver.start()

    def lose_directory_and_database(self):
        """What only the others still have comes back from them."""
        receiver = self.random.choice(self.receivers)
        with self.quiet(*self.receivers):
            wait_until("every receiver has everything", lambda: self.missing_anywhere(self.load) == 0, 60)
            receiver.end(signal.SIGKILL)
            shutil.rmtree(receiver.directory)
            self.primary.sql("drop schema chargefold cascade")
        receiver.start()

    def promote_while_a_receiver_is_frozen(self):
        receiver = self.random.choice(self.receivers)
        receiver.process.send_signal(signal.SIGSTOP)
        self.promote()
        receiver.process.send_signal(signal.SIGCONT)
        wait_until(f"{receiver.name} is ready again", receiver.is_ready)

    def kill_receiver_while_commits_wait(self):
        """Its last commits were sent and nobody has said whether they came."""
        receiver = self.random.choice(self.receivers)
        self.standby.stop("immediate")
        self.sleep(0.1, 2)
        receiver.end(signal.SIGKILL)
        self.sleep(0, 1)
        if self.random.random() < 0.5:
            receiver.start()
            self.standby.start()
        else:
            self.standby.start()
            receiver.start()

    def quiet(self, *receivers):
        return Quiet(self, receivers)

    def everything_is_shipped(self, receivers):
        for receiver in receivers:
            if receiver.metric("chargefold_database_reachable") != 1 or receiver.metric("chargefold_unshipped_deliveries") != 0:
                return False
        return True

    # --- what must hold ---

    def check_strict_reads(self, count, load, problems):
        """What one receiver has acknowledged as replicated another one shows, asked right after."""
        connections = [http.client.HTTPConnection(receiver.address, 8080, timeout=10) for receiver in self.receivers]
        stale, replicated = [], 0
        for number in range(count):
            session = f"R{number:06d}"
            event = {"event": "SESSION_STARTED", "payload": {
                "sessionId": session, "userId": "strict", "timestamp": "2025-10-09T08:00:00Z", "n": 0}}
            with load.lock:
                load.sent[session] = {0: event}
            body = json.dumps(event, separators=(",", ":")).encode()
            poster, asker = self.random.sample(connections, 2)
            poster.request("POST", "/webhooks/session-events", body, {
                "Content-Type": "application/json", "X-HMAC-SHA512-Signature": sign(body)})
            answer = poster.getresponse()
            outcome = json.loads(answer.read())
            asker.request("GET", f"/v1/sessions/{session}", headers={"Authorization": f"Bearer {TOKEN}"})
            shown = asker.getresponse()
            shown.read()
            if outcome.get("durability") != "replicated":
                continue
            replicated += 1
            if shown.status != 200 or shown.getheader("Chargefold-Consistency"):
                stale.append((session, shown.status, shown.getheader("Chargefold-Consistency")))
        say(f"{replicated} of {count} events acknowledged as replicated, {len(stale)} of them not shown by another receiver at once")
        if stale or replicated < count // 2:
            problems.append(f"strict reads: {replicated} of {count} replicated, not shown: {stale[:5]}")

    def check(self, load, reader, problems):
        if load.unanswered:
            problems.append(f"{len(load.unanswered)} callbacks not answered 200, e.g. {load.unanswered[:3]}")
        wait_until("everything is shipped", lambda: self.everything_is_shipped(self.receivers), 120)
        facts = sum(map(len, load.sent.values()))
        say(f"{len(load.sent)} sessions, {facts} distinct events, {dict(load.outcomes)}, {len(load.local)} answered as local, "
            f"slowest {load.slowest:.2f} s")
        wait_until("every receiver has everything", lambda: self.missing_anywhere(load) == 0, 60)
        wrong = collections.Counter()
        for session, events in load.sent.items():
            answers = [receiver.get(f"/v1/sessions/{session}") for receiver in self.receivers]
            # How long a session has lasted that goes on depends on when it is asked.
            texts = {(status, without_running_duration(body), headers.get("ETag")) for status, body, headers in answers}
            facts = {receiver.get(f"/v1/sessions/{session}/facts")[1] for receiver in self.receivers}
            if len(texts) != 1 or len(facts) != 1:
                wrong["not the same bytes on every receiver"] += 1
                if wrong["not the same bytes on every receiver"] == 1:
                    problems.append(f"{session} differs: {texts if len(texts) > 1 else facts}")
                continue
            answer = json.loads(answers[0][1])
            last = max((event for event in events.values() if event["event"] != "SESSION_FEE_INCURRING"),
                       key=lambda event: event["payload"]["n"], default=None)
            status = {"SESSION_STARTED": "STARTED", "SESSION_STOPPED": "STOPPED", "SESSION_COMPLETE": "COMPLETE",
                      None: "UNKNOWN"}[last and last["event"]]
            if (answer["sessionStatus"], answer["version"]) != (status, len(events)):
                wrong["not what its events say"] += 1
                problems.append(f"{session} is {answer['sessionStatus']} {answer['version']}, not {status} {len(events)}")
        problems += [f"{count} sessions: {what}" for what, count in wrong.items()]
        try:
            wait_until("the stream has told everything", lambda: sum(reader.changes.values()) >= sum(map(len, load.sent.values())), 30)
        except Failure:
            # What is missing is told below.
            pass
        gaps = {session: (reader.changes[session], len(events)) for session, events in load.sent.items()
                if reader.changes[session] != len(events)}
        if gaps or reader.resets:
            problems.append(f"the stream told wrongly of {len(gaps)} sessions ({reader.resets} resets), e.g. {list(gaps.items())[:5]}, "
                            f"{[reader.told[session] for session in list(gaps)[:2]]}")
        say(f"the reader was told {sum(reader.changes.values())} changes over {reader.connections} connections")

    def missing_anywhere(self, load):
        """Sessions of which a receiver does not know all events; the last ones first, to be quick about it."""
        count = 0
        for session, events in reversed(load.sent.items()):
            for receiver in self.receivers:
                status, body, _ = receiver.get(f"/v1/sessions/{session}")
                if status != 200 or json.loads(body)["version"] != len(events):
                    count += 1
            if count:
                break
        return count

    def check_erasure(self, load):
        """A user is erased while a receiver is down: it is said who is outstanding, and nothing of the user is left in the end."""
        user = "user7"
        out, rest = self.receivers[0], self.receivers[1:]
        out.end(signal.SIGTERM)
        status, body, _ = rest[0].request("DELETE", f"/v1/users/{user}", 60, ADMIN)
        if status != 202 or out.name not in body.decode():
            raise Failure(f"an erasure while {out.name} is down is answered {status} {body[:300]}")
        out.start()
        wait_until("the erasure is complete", lambda: rest[0].request("DELETE", f"/v1/users/{user}", 60, ADMIN)[0] == 200, 60)
        sessions = [session for session, events in load.sent.items()
                    if any(event["payload"]["userId"] == user for event in events.values())]
        for receiver in self.receivers:
            left = [session for session in sessions if receiver.get(f"/v1/sessions/{session}")[0] != 404]
            if left:
                raise Failure(f"{receiver.name} still knows {left[:3]} of an erased user")
        rows = self.primary.sql(
            f"select count(*) from chargefold.deliveries where position('\"{user}\"'::bytea in body) > 0")
        if rows != "0":
            raise Failure(f"{rows} rows of the shared log name an erased user")
        for receiver in self.receivers:
            receiver.end(signal.SIGTERM)
            for path in receiver.directory.rglob("*"):
                if path.is_file() and f'"{user}"'.encode() in path.read_bytes():
                    raise Failure(f"{path} names an erased user")
        say(f"{len(sessions)} sessions of {user} are in no file and no row")


class Quiet:
    """The load pauses until nothing that was answered as local is with one of these receivers alone."""

    def __init__(self, cluster, receivers):
        self.cluster, self.receivers = cluster, receivers

    def __enter__(self):
        self.cluster.load.is_paused.set()
        time.sleep(0.3)
        wait_until("everything is shipped", lambda: self.cluster.everything_is_shipped(self.receivers), 60)

    def __exit__(self, *_):
        self.cluster.load.is_paused.clear()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("chargefold")
    parser.add_argument("work")
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only")
    options = parser.parse_args()
    seconds, seed = options.seconds, options.seed
    cluster = Cluster(options.chargefold, options.work, seed, options.quick)
    try:
        cluster.set_up()
    except Failure as failure:
        raise SystemExit(f"cannot set up: {failure}") from None
    say("a primary, a standby, three receivers and nginx are there")
    cluster.load = load = Load(cluster, seed)
    reader = Reader(cluster)
    load.start()
    reader.start()
    kinds = [
        cluster.kill_receiver, cluster.freeze_receiver, cluster.roll, cluster.cut_receiver_off, cluster.hide_databases,
        cluster.freeze_database, cluster.stop_database, cluster.lose_standby, cluster.promote, cluster.empty_database,
        cluster.set_database_back, cluster.lose_directory, cluster.restore_older_directory, cluster.clone_directory,
        cluster.start_without_database, cluster.empty_database_while_a_receiver_is_down, cluster.lose_directory_and_database,
        cluster.promote_while_a_receiver_is_frozen, cluster.kill_receiver_while_commits_wait]
    if options.only:
        known = {kind.__name__: kind for kind in [*kinds, cluster.none]}
        kinds = [known[name] for name in options.only.split(",")]
    elif options.quick:
        # One of two that take long is enough.
        kinds.remove(cluster.random.choice([cluster.promote, cluster.promote_while_a_receiver_is_frozen]))
    until = time.monotonic() + seconds
    due = []
    problems = []
    try:
        wait_until("everybody is near", lambda: cluster.everything_is_shipped(cluster.receivers), 60)
        cluster.check_strict_reads(300 if options.quick else 3_000, load, problems)
        # Each kind once, in another order each time, and again while there is time.
        while time.monotonic() < until or due:
            if not due:
                due = cluster.random.sample(kinds, len(kinds))
            fault = due.pop()
            before = len(load.unanswered)
            fault()
            cluster.faults[fault.__name__] += 1
            say(f"{fault.__name__}: {load.outcomes[200]} callbacks answered, {len(load.unanswered) - before} not")
            time.sleep(cluster.random.uniform(0.3, 1))
            if time.monotonic() > until + 120:
                break
        load.finish()
        cluster.check(load, reader, problems)
        reader.is_over.set()
        cluster.check_erasure(load)
    except Failure as failure:
        problems.append(str(failure))
    say(f"{sum(cluster.faults.values())} faults: {dict(sorted(cluster.faults.items()))}")
    cluster.end()
    for problem in problems:
        say(f"FAIL: {problem}")
    # Threads that still wait for an answer are not waited for.
    os._exit(bool(problems))


main()
