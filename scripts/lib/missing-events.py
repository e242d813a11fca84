"""Prints how many acknowledged events are not in an exported log, compared as JSON values.

usage: missing-events.py LOG.ndjson ACKNOWLEDGED.ndjson
"""

import json
import sys


def key(body):
    return json.dumps(body, sort_keys=True)


with open(sys.argv[1], encoding="utf-8") as log:
    logged = {key(json.loads(json.loads(line)["body"])) for line in log}
with open(sys.argv[2], encoding="utf-8") as acknowledged:
    print(sum(key(json.loads(line)) not in logged for line in acknowledged))
