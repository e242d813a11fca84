"""Holds listening sockets open and passes them to a server, again and again, as systemd does (sd_listen_fds(3)).

    hold-sockets.py COUNT ADDRESSES-FILE LOG PROGRAM ARGUMENT...

Writes the addresses, one a line, to ADDRESSES-FILE. A server that ends is started again while the sockets stay open, until
this process gets SIGTERM. Its output goes to LOG.
"""

import os
import signal
import socket
import sys

FIRST = 3


def main():
    count, addresses, log, command = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    sockets = []
    for _ in range(count):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        sockets.append(listener)
    with open(addresses + ".new", "w") as file:
        for listener in sockets:
            file.write("127.0.0.1:%d\n" % listener.getsockname()[1])
    os.rename(addresses + ".new", addresses)

    state = {"child": 0, "ending": False}

    def end(*_):
        state["ending"] = True
        if state["child"]:
            os.kill(state["child"], signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while not state["ending"]:
        # Where the sockets go, nothing else may be in the way.
        high = [os.dup2(listener.fileno(), 100 + index, inheritable=False) for index, listener in enumerate(sockets)]
        child = os.fork()
        if child == 0:
            for index, descriptor in enumerate(high):
                os.dup2(descriptor, FIRST + index, inheritable=True)
            os.dup2(output, 2)
            os.environ["LISTEN_FDS"] = str(count)
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.execv(command[0], command)
        state["child"] = child
        with open(addresses + ".pid.new", "w") as file:
            file.write("%d\n" % child)
        os.rename(addresses + ".pid.new", addresses + ".pid")
        while True:
            try:
                os.waitpid(child, 0)
                break
            except InterruptedError:
                continue
    return 0


sys.exit(main())
