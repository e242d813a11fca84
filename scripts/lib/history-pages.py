#!/usr/bin/env python3
"""Pages through a user's whole history.

usage: history-pages.py HOST:PORT USER LIMIT --list FILE     joins the pages and writes the session ids, one a line
       history-pages.py HOST:PORT USER LIMIT --cost          compares what the first and the last pages cost

The token comes from CHARGEFOLD_API_TOKEN.
"""
import http.client, json, os, statistics, sys, time

address, user, limit, what = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
connection = http.client.HTTPConnection(address, timeout=60)
headers = {"Authorization": "Bearer " + os.environ["CHARGEFOLD_API_TOKEN"], "Content-Type": "application/json"}
statuses = ["COMPLETE", "STOPPED", "STARTED", "FAILED", "STOP_FAILED", "UNKNOWN"]


def page(cursor):
    body = {"limit": limit, "sessionStatus": statuses}
    if cursor:
        body["cursor"] = cursor
    connection.request("POST", f"/v1/users/{user}/sessions/history", json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{answer.status}: {text[:200]}")
    return json.loads(text)


cursors, ids = [None], []
while True:
    answer = page(cursors[-1])
    ids += [session["sessionId"] for session in answer["sessions"]]
    if "cursor" not in answer:
        break
    cursors.append(answer["cursor"])
if what == "--list":
    with open(sys.argv[5], "w", encoding="utf-8") as file:
        file.writelines(f"{i}\n" for i in ids)
    print(json.dumps({"pages": len(cursors), "sessions": len(ids), "twice": len(ids) - len(set(ids))}))
    sys.exit(0 if len(ids) == len(set(ids)) else 1)


def cost(cursor):
    best = []
    for _ in range(40):
        began = time.perf_counter()
        page(cursor)
        best.append(time.perf_counter() - began)
    return statistics.median(best) * 1000


# The last full page, so that both have as many sessions. Taken in turns, so that both meet the same machine.
rounds = [(cost(cursors[0]), cost(cursors[-2])) for _ in range(5)]
first = statistics.median(pair[0] for pair in rounds)
last = statistics.median(pair[1] for pair in rounds)
print(
    json.dumps(
        {"pages": len(cursors), "first page ms": round(first, 2), "last page ms": round(last, 2), "ratio": round(last / first, 2)}
    )
)
sys.exit(0 if last <= first * 1.5 else 1)
