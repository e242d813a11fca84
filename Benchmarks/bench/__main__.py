"""Prints the table; called by scripts/bench."""

import argparse
import os
import platform

from bench import cluster, profile, rows, scale
from bench.client import write_requests
from bench.subjects import Chargefold, FastAPI, Hummingbird, Nginx

parser = argparse.ArgumentParser()
parser.add_argument("--chargefold", required=True)
parser.add_argument("--before")
parser.add_argument("--hummingbird")
parser.add_argument("--python")
parser.add_argument("--filler")
parser.add_argument("--mallocs", required=True)
parser.add_argument("--work", required=True)
parser.add_argument("--quick", action="store_true")
parser.add_argument("--sessions", type=int)
parser.add_argument("--rounds", type=int)
parser.add_argument("--only", default="ingest,query,request,idle,live,scale")
options = parser.parse_args()

quick = options.quick
rounds = options.rounds or (3 if quick else 5)
seconds = 2 if quick else 5
connections = [64, 1] if quick else [64, 1, 16, 256, 1024]
sessions = options.sessions or (50_000 if quick else 1_000_000)
only = options.only.split(",")

table = rows.Table()
with open("/proc/loadavg") as file:
    load = file.read().split()[0]
table.print("%s, %d cores, load %s before the run. CPU us: user and system time of the server a request. client: cores"
            % (platform.machine(), os.cpu_count(), load))
table.print("that the load client was busy on. ratio: to nginx `return 200`, median to median.")

chargefold = Chargefold(options.work, options.chargefold)
nginx = Nginx(options.work)
subjects = [chargefold, nginx]
if options.before:
    subjects.append(Chargefold(options.work, options.before, "before"))
if options.hummingbird:
    subjects.append(Hummingbird(options.work, options.hummingbird))
if options.python:
    subjects.append(FastAPI(options.work, options.python))

requests = []
# What runs out ends a round early, it is never sent twice (but to nginx, which cannot tell).
needs_requests = {"ingest", "query", "request", "live", "scale", "cluster"} & set(only)
for number in range(rounds if needs_requests else 0):
    path = os.path.join(options.work, "requests-%d" % number)
    write_requests(path, 250_000 if quick else 600_000, number + 1)
    requests.append(path)

if "ingest" in only:
    for count in connections:
        rows.ingest(table, subjects, requests, count, rounds, seconds)
if "query" in only:
    chargefold.start()
    rows.run_wrk(chargefold.url, 64, 2, requests=requests[0])
    try:
        path = rows.session_path(requests[0])
        for count in ([64] if quick else [1, 64, 256]):
            rows.query(table, "One session", chargefold, nginx, path, rounds, seconds, count)
        rows.query(table, "Facts of a session", chargefold, nginx, path + "/facts", rounds, seconds, 64)
        rows.query(table, "History page", chargefold, nginx, "/v1/users/user1/sessions?limit=100", rounds, seconds, 64)
    finally:
        chargefold.stop()
if "request" in only:
    rows.per_request(table, chargefold, requests, options.mallocs, options.work)
if "profile" in only:
    path = os.path.join(options.work, "requests-profile")
    write_requests(path, 600_000, rounds + 1)
    profile.ingest(table, [chargefold, nginx], path, options.work)
if "idle" in only:
    scale.idle_connections(table, chargefold, 1_000 if quick else 10_000)
if "live" in only:
    scale.live_streams(table, chargefold, requests, 20 if quick else 100, seconds)
if "scale" in only:
    scale.many_sessions(table, chargefold, options.filler, sessions, requests, rounds, seconds, options.work)
if "cluster" in only:
    cluster.run(table, options.chargefold, requests, rounds, seconds, quick, options.work)
