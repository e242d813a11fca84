"""Callbacks as the Drive API would send them, good and bad, for the page to show."""

import datetime
import hashlib
import hmac
import base64
import json
import os
import time
import urllib.error
import urllib.request

SECRET = os.environ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"]
ODD = 'odd <img src=x onerror="document.title=1"> & id'


def call(url, body=None, headers=None, method=None):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def ago(**parts):
    instant = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**parts)
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


class Receiver:
    def __init__(self, url, token):
        self.url, self.token = url, token

    def post(self, body, secret=SECRET, path="/webhooks/session-events"):
        body = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha512).digest()).decode()
        headers = {"Content-Type": "application/json"}
        if secret:
            headers["X-HMAC-SHA512-Signature"] = signature
        return call(self.url + path, body, headers)

    def event(self, name, session, at, **payload):
        status, answer = self.post(
            {"event": name, "payload": {"sessionId": session, "timestamp": at, **payload}})
        assert status == 200, (status, answer)
        return json.loads(answer)

    def get(self, path):
        status, answer = call(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        assert status == 200, (path, status, answer)
        return json.loads(answer)


def fill(receiver, sandbox):
    """Sessions of the sandbox until they are priced, and some by hand that are in trouble."""
    call(sandbox + "/sandbox/sessions", {"type": "remote", "count": 14})
    local = json.loads(call(sandbox + "/sandbox/sessions", {"type": "local", "userId": "driver-local"})[1])["sessionIds"][0]
    event = receiver.event
    event("SESSION_STARTED", "Open1", ago(minutes=12), userId="ada")
    event("SESSION_STARTED", "Open2", ago(minutes=3), userId="grace")
    event("SESSION_FEE_INCURRING", "Open2", ago(minutes=1), feeType="BLOCKING",
          feeWillApplyFrom=ago(minutes=-9))
    event("SESSION_STARTED", "TooLong", ago(hours=30), userId="ada")
    event("SESSION_STARTED", "Stuck", ago(minutes=41), userId="linus")
    event("SESSION_STOP_FAILED", "Stuck", ago(minutes=9), userId="linus")
    event("SESSION_START_FAILED", "Failed", ago(minutes=6), userId="ken")
    event("SESSION_START_FAILED", "Revived", ago(minutes=25), userId="barbara")
    event("SESSION_STOPPED", "Revived", ago(minutes=2), userId="barbara")
    # It arrives after what followed it.
    event("SESSION_STARTED", "Revived", ago(minutes=24), userId="barbara")
    event("SESSION_STARTED", "Revived", ago(minutes=24), userId="barbara")
    event("SESSION_TELEPORTED", "Open1", ago(minutes=2), userId="ada", to="Mars")
    event("SESSION_STARTED", ODD, ago(minutes=1), userId="<b>eve</b>")
    for number in range(4):
        event("SESSION_STARTED", "Open1", ago(minutes=12), userId="ada") if number == 0 else None
        receiver.post({"event": "SESSION_STARTED", "payload": {"sessionId": f"wrong{number}", "timestamp": ago(), "userId": "u"}},
                      secret="a secret that nobody has")
    receiver.post({"event": "SESSION_STARTED", "payload": {"timestamp": ago(), "userId": "u"}})
    receiver.post(b'{"event":"SESSION_STOPPED","payload":')
    receiver.post({"event": "SESSION_STARTED", "payload": {"sessionId": "stray", "timestamp": ago()}}, path="/webhook")
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        states = [session["sessionStatus"] for session in receiver.get("/v1/sessions?userId=driver-1&limit=50")["sessions"]]
        if "COMPLETE" in states:
            break
        time.sleep(0.5)
    return local
