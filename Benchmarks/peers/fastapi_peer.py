"""The usual Python stack doing Chargefold's work: verify the signature, decode, deduplicate, log, fold, all in one
durable transaction an event. Run by uvicorn; DATABASE names the file, the secret is in
CHARGEFOLD_WEBHOOK_SECRET_CURRENT."""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import threading

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

KEY = os.environ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"].encode()
STATUSES = {"SESSION_STARTED": ("STARTED", 1), "SESSION_STOPPED": ("STOPPED", 6), "SESSION_COMPLETE": ("COMPLETE", 7)}

database = sqlite3.connect(os.environ["DATABASE"], check_same_thread=False, isolation_level=None)
database.executescript("""
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS events(
        position INTEGER PRIMARY KEY, session_id TEXT NOT NULL, fact TEXT NOT NULL, body BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS events_of_session ON events(session_id, fact);
    CREATE TABLE IF NOT EXISTS sessions(
        session_id TEXT PRIMARY KEY, user_id TEXT, status TEXT NOT NULL, since TEXT NOT NULL,
        rank INTEGER NOT NULL, version INTEGER NOT NULL);
""")
lock = threading.Lock()
app = FastAPI()


def take(name, payload, body):
    session_id, at, user = payload["sessionId"], payload["timestamp"], payload.get("userId")
    fact = json.dumps([name, payload], sort_keys=True)
    status, rank = STATUSES.get(name, ("UNKNOWN", 0))
    with lock:
        database.execute("BEGIN IMMEDIATE")
        known = database.execute(
            "SELECT 1 FROM events WHERE session_id = ? AND fact = ?", (session_id, fact)).fetchone()
        database.execute("INSERT INTO events(session_id, fact, body) VALUES(?, ?, ?)", (session_id, fact, body))
        row = database.execute(
            "SELECT status, since, rank, version FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
        old = row or (status, at, rank, 0)
        new = old
        if not known:
            new = (status, at, rank) if (at, rank) >= (old[1], old[2]) else old[:3]
            new = (*new, old[3] + 1)
            database.execute(
                "INSERT INTO sessions VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(session_id) DO UPDATE SET "
                "status = excluded.status, since = excluded.since, rank = excluded.rank, version = excluded.version",
                (session_id, user, *new))
        database.execute("COMMIT")
    return {"outcome": "duplicate" if known else "accepted", "sessionId": session_id, "sessionStatus": new[0],
            "version": new[3]}


@app.post("/webhooks/session-events")
async def callback(request: Request):
    body = await request.body()
    code = base64.b64encode(hmac.new(KEY, body, hashlib.sha512).digest()).decode()
    if not hmac.compare_digest(code, request.headers.get("x-hmac-sha512-signature", "")):
        return Response(status_code=403)
    event = json.loads(body)
    return JSONResponse(await run_in_threadpool(take, event["event"], event["payload"], body))
