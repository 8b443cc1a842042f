# A server of twenty lines. portico starts it, says in HOST and PORT where to
# listen, watches it, and stops it with SIGTERM when it has no requests left.
import http.server
import os
import sys


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"hello from Python, process {os.getpid()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass  # portico logs every request


address = (os.environ["HOST"], int(os.environ["PORT"]))
print("listening on", *address, file=sys.stderr)
http.server.ThreadingHTTPServer(address, Hello).serve_forever()
