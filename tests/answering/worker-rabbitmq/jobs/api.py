import os
import time

from broker import channel
from flask import Flask

app = Flask(__name__)


@app.get("/jobs/<job>")
def jobs(job):
    own = channel()
    own.basic_publish("", "todo", job.encode())
    for _ in range(300):
        method, _, body = own.basic_get("done", auto_ack=True)
        if method:
            return f"{os.environ['GREETING']} {body.decode()}"
        time.sleep(0.1)
    return "nobody did it", 504


app.run("0.0.0.0", 5000)
