import os

from flask import Flask
from redis import Redis

app = Flask(__name__)
redis = Redis(host=os.environ["REDIS_HOST"])


@app.get("/")
def hits():
    return f"{os.environ['GREETING']} {redis.incr('hits')}"


@app.get("/settings")
def settings():
    return redis.config_get("appendonly")["appendonly"]
