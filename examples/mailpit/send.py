"""Sends a letter when it starts, and then one a minute."""

import os
import signal
import smtplib
import sys
import time
from email.message import EmailMessage

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

number = 0
while True:
    number += 1
    letter = EmailMessage()
    letter["From"], letter["To"] = "sender@example.com", "you@example.com"
    letter["Subject"] = f"Letter {number}"
    letter.set_content("It never left this machine.")
    with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])) as server:
        server.send_message(letter)
    print(f"sent letter {number}")
    time.sleep(60)
