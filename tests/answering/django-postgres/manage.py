import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg

STATIC = Path("/app/static/site.css")


def rows(query, **values):
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        cursor = connection.execute(query, values)
        return cursor.fetchall() if cursor.description else []


class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        answers = {
            "/static/site.css": STATIC.read_text,
            "/env": lambda: " ".join(
                os.environ[name] for name in ("LOG_LEVEL", "CURRENCY", "ROLE", "SECRET_KEY")
            ),
            "/seeded": lambda: str(rows("SELECT name FROM seeded ORDER BY name")),
            "/orders": lambda: str(rows("SELECT count(*) FROM orders")[0][0]),
            "/sessions": lambda: str(os.path.ismount("/run/sessions")),
        }
        self.answer(answers[self.path]())

    def do_POST(self):
        rows("INSERT INTO orders (item) VALUES (%(item)s)", item=self.path)
        self.answer("ordered")

    def answer(self, text):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


match sys.argv[1:]:
    case ["migrate"]:
        rows("CREATE TABLE orders (id serial, item text)")
    case ["collectstatic"]:
        STATIC.write_text("body {}")
    case ["runserver", port]:
        ThreadingHTTPServer(("", int(port)), Pages).serve_forever()
