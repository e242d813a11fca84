"""answer-200.py PORT [FILE]: answers 200 to anything, to stand behind a proxy in a test.

Where FILE says otherwise, something else: `503`, `close` (reads the request and closes the connection) or `silent` (never
answers). Each request is a line of FILE.requests, whatever becomes of it.
"""

import http.server
import pathlib
import sys
import threading

file = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
lock = threading.Lock()


def behaviour(request):
    if file is None:
        return ""
    with lock, open(f"{file}.requests", "a", encoding="utf-8") as requests:
        requests.write(request + "\n")
    return file.read_text(encoding="utf-8").strip()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = behaviour(f"{self.command} {self.path}")
        if kind == "silent":
            threading.Event().wait()
        if kind == "close":
            self.close_connection = True
            return
        body = f"behind: {self.command} {self.path}\n".encode()
        self.send_response(503 if kind == "503" else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Proxies close connections when they like."""


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
