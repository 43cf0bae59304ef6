import os
import socket
from urllib.parse import urlsplit

import pymysql
from flask import Flask

app = Flask(__name__)
url = urlsplit(os.environ["SPRING_DATASOURCE_URL"].removeprefix("jdbc:"))


def one(query):
    with (
        pymysql.connect(
            host=url.hostname,
            port=url.port,
            user=os.environ["SPRING_DATASOURCE_USERNAME"],
            password=os.environ["SPRING_DATASOURCE_PASSWORD"],
            database=url.path[1:],
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query)
        return str(cursor.fetchone()[0])


@app.get("/customers")
def customers():
    return one("SELECT group_concat(name ORDER BY name) FROM customers")


@app.get("/settings")
def settings():
    return " ".join(
        [one("SELECT @@max_connections"), dict(os.environ)["spring.profiles.active"], os.environ["JAVA_OPTS"]]
    )


@app.get("/legacy")
def legacy():
    return socket.gethostbyname("legacy.example")
