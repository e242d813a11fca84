"""What is measured: Chargefold, and what it is compared with. Each is started anew for a round, on an empty store."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from bench.client import HERE, SECRET, TOKEN


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Subject:
    """A server process (with its children)."""

    name = ""
    # Whether it answers all requests alike, so that they may come again.
    is_indifferent = False

    def __init__(self, work):
        self.work = os.path.join(work, self.name)
        self.process = None
        self.port = None
        self.start_seconds = None

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    ready_path = "/"

    def start(self, fresh=True, extra=None):
        if fresh:
            shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work, exist_ok=True)
        self.port = free_port()
        log = open(os.path.join(self.work, "server.log"), "w")
        environment = dict(os.environ, CHARGEFOLD_WEBHOOK_SECRET_CURRENT=SECRET, **self.environment(), **(extra or {}))
        started = time.monotonic()
        # Elsewhere, so that no configuration of this folder is read.
        self.process = subprocess.Popen(self.command(), env=environment, stdout=log, stderr=log, cwd=self.work)
        log.close()
        while True:
            if self.process.poll() is not None or time.monotonic() - started > 600:
                raise SystemExit("%s did not start: see %s" % (self.name, log.name))
            try:
                if self.get(self.ready_path)[0] < 500:
                    break
            except OSError:
                pass
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - started
        return self

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def get(self, path, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    def processes(self):
        """The process and its children: nginx has workers."""
        found = [self.process.pid]
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open("/proc/%s/stat" % entry) as file:
                        if int(file.read().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                            found.append(int(entry))
                except OSError:
                    pass
        return found

    def cpu_seconds(self):
        """By the CPU clock of each process (clock_getcpuclockid(3)), which counts nanoseconds."""
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self.processes())

    def memory_kib(self):
        total = 0
        for pid in self.processes():
            with open("/proc/%d/status" % pid) as file:
                total += next((int(line.split()[1]) for line in file if line.startswith("VmRSS:")), 0)
        return total


class Chargefold(Subject):
    name = "chargefold"
    ready_path = "/readyz"

    def __init__(self, work, executable, name="chargefold"):
        self.name = name
        super().__init__(work)
        self.executable = executable

    @property
    def data(self):
        return os.path.join(self.work, "data")

    def command(self):
        return [self.executable, "serve"]

    def environment(self):
        return {
            "CHARGEFOLD_DATA_DIRECTORY": self.data, "CHARGEFOLD_HTTP_PORT": str(self.port),
            "CHARGEFOLD_API_TOKEN": TOKEN, "CHARGEFOLD_LOG_LEVEL": "warning",
        }

    def metric(self, name):
        for line in self.get("/metrics")[1].decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0


class Nginx(Subject):
    name = "nginx"
    is_indifferent = True

    def __init__(self, work, body='{"outcome":"accepted","sessionId":"AAAAAAAAAAA","sessionStatus":"STARTED","version":1}'):
        super().__init__(work)
        self.body = body

    def command(self):
        path = os.path.join(self.work, "nginx.conf")
        with open(path, "w") as file:
            file.write("""daemon off; worker_processes %d; pid %s/pid; error_log %s/error.log;
events { worker_connections 4096; }
http {
    access_log off; keepalive_requests 1000000000; default_type application/json;
    client_body_temp_path %s/b; proxy_temp_path %s/p; fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;
    server { listen 127.0.0.1:%d reuseport; location / { return 200 '%s'; } }
}
""" % ((os.cpu_count(),) + (self.work,) * 7 + (self.port, self.body.replace("'", "").replace("$", ""))))
        return ["nginx", "-p", self.work, "-c", path, "-e", os.path.join(self.work, "start.log")]


class Hummingbird(Subject):
    name = "hummingbird"

    def __init__(self, work, executable):
        super().__init__(work)
        self.executable = executable

    def command(self):
        return [self.executable, str(self.port), os.path.join(self.work, "events.sqlite")]


class FastAPI(Subject):
    name = "fastapi"

    def __init__(self, work, python):
        super().__init__(work)
        self.python = python

    def command(self):
        return [self.python, "-m", "uvicorn", "--app-dir", os.path.join(HERE, "peers"), "--host", "127.0.0.1", "--port",
                str(self.port), "--log-level", "warning", "--no-access-log", "fastapi_peer:app"]

    def environment(self):
        return {"DATABASE": os.path.join(self.work, "events.sqlite")}
