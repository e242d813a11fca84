"""raw-request.py PORT plain|tls: sends standard input in one piece, and prints what is answered until the connection closes."""

import socket
import ssl
import sys

connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
if sys.argv[2] == "tls":
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = context.wrap_socket(connection)
connection.sendall(sys.stdin.buffer.read())
while chunk := connection.recv(65536):
    sys.stdout.buffer.write(chunk)
