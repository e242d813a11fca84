"""Posts each event once, on a connection of its own, for as long as a file is there: what a sender does that never tries again.

    post-in-turn.py STOP-FILE RESULT-FILE ACKNOWLEDGED-FILE THREADS SECRET ADDRESS...

Writes to RESULT-FILE how many were answered 200, how many connections were refused, and how many were lost otherwise; to
ACKNOWLEDGED-FILE the bodies that were answered 200, one a line.
"""

import base64
import collections
import hashlib
import hmac
import http.client
import os
import sys
import threading


def main():
    stop, result, acknowledged, threads, secret = sys.argv[1:6]
    addresses = sys.argv[6:]
    counts = collections.Counter()
    lock = threading.Lock()
    with open(acknowledged, "w") as accepted:

        def run(number):
            turn = 0
            while not os.path.exists(stop):
                turn += 1
                body = (
                    '{"event":"SESSION_STARTED","payload":{"sessionId":"T%d-%d","userId":"u%d",'
                    '"timestamp":"2025-06-12T10:56:51Z"}}' % (number, turn, number)
                )
                code = hmac.new(secret.encode(), body.encode(), hashlib.sha512).digest()
                headers = {
                    "Content-Type": "application/json",
                    "X-HMAC-SHA512-Signature": base64.b64encode(code).decode(),
                    "Connection": "close",
                }
                try:
                    connection = http.client.HTTPConnection(addresses[turn % len(addresses)], timeout=30)
                    connection.request("POST", "/webhooks/session-events", body, headers)
                    outcome = str(connection.getresponse().status)
                    connection.close()
                except ConnectionRefusedError:
                    outcome = "refused"
                except (OSError, http.client.HTTPException) as error:
                    outcome = "lost: " + type(error).__name__
                with lock:
                    counts[outcome] += 1
                    if outcome == "200":
                        accepted.write(body + "\n")

        workers = [threading.Thread(target=run, args=(number,)) for number in range(int(threads))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    with open(result, "w") as file:
        for outcome, count in sorted(counts.items()):
            file.write("%s %d\n" % (outcome, count))


main()
