"""Answers every request, asks the other service where there is one, and writes a line with the request's id."""

import json
import os
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        request_id = self.headers.get("X-Request-ID", "")
        print(json.dumps({"path": self.path, "request_id": request_id}))
        if url := os.environ.get("STOCK_URL"):
            onward = urllib.request.Request(f"{url}/tea", headers={"X-Request-ID": request_id})
            urllib.request.urlopen(onward, timeout=5).close()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *arguments):
        pass


ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
