"""Opens connections and holds them, sending nothing: a flood. Those that the server closes are opened again.

usage: hold-connections.py URL COUNT SECONDS

Prints how many connections were made in all, and how many the server has closed.
"""

import resource
import selectors
import socket
import sys
import time
import urllib.parse

address = urllib.parse.urlsplit(sys.argv[1])
count, seconds = int(sys.argv[2]), float(sys.argv[3])
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 100), hard))

selector = selectors.DefaultSelector()
opened = closed = held = 0
deadline = time.monotonic() + seconds
while time.monotonic() < deadline:
    # A burst, then a look at what has come back: the machine has other work too.
    for _ in range(min(50, count - held)):
        connection = socket.socket()
        connection.setblocking(False)
        try:
            connection.connect((address.hostname, address.port))
        except BlockingIOError:
            pass
        except OSError:
            connection.close()
            break
        selector.register(connection, selectors.EVENT_READ)
        opened += 1
        held += 1
    for key, _ in selector.select(0.01):
        connection = key.fileobj
        try:
            gone = connection.recv(4096) == b""
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        if gone:
            selector.unregister(connection)
            connection.close()
            closed += 1
            held -= 1
print(f"{opened} opened, {closed} closed by the server")
