import json
import os
import smtplib
import urllib.request
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer


class Mail(BaseHTTPRequestHandler):
    def do_POST(self):
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "a@b.test", "c@d.test", os.environ["SUBJECT"]
        host, _, port = os.environ["SMTP"].partition(":")
        with smtplib.SMTP(host, int(port)) as server:
            server.send_message(message)
        self.answer("sent")

    def do_GET(self):
        if self.path == "/user":
            return self.answer(f"{os.getuid()} {os.access('/srv', os.W_OK)}")
        with urllib.request.urlopen(os.environ["INBOX"]) as inbox:
            return self.answer(json.load(inbox)["messages"][0]["Subject"])

    def answer(self, text):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


HTTPServer(("", 8000), Mail).serve_forever()
