"""STOMP 1.2, which ActiveMQ and Artemis speak, as far as a queue needs it."""

import asyncio
import os


async def _frame(reader):
    head, _, body = (await reader.readuntil(b"\0"))[:-1].lstrip(b"\n").partition(b"\n\n")
    command, *lines = head.decode().split("\n")
    if command == "ERROR":
        raise ConnectionError(body.decode() or head.decode())
    return command, dict(line.split(":", 1) for line in lines), body


def _send(writer, command, body=b"", **headers):
    lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
    writer.write(f"{command}\n{lines}\n".encode() + body + b"\0")


async def _connect(broker):
    """`broker`: ACTIVEMQ or ARTEMIS, whose variables name the place and the login."""
    host, port = os.environ[f"{broker}_HOST"], os.environ[f"{broker}_STOMP_PORT"]
    reader, writer = await asyncio.open_connection(host, int(port))
    login = {"login": os.environ[f"{broker}_USER"], "passcode": os.environ[f"{broker}_PASSWORD"]}
    _send(writer, "CONNECT", accept_version="1.2", host="localhost", **login)
    await _frame(reader)
    return reader, writer


async def put(broker, queue, job):
    reader, writer = await _connect(broker)
    _send(writer, "SEND", job, destination=queue, persistent="true", receipt="sent")
    await _frame(reader)
    writer.close()


async def take(broker, queue, do):
    while True:  # a broker that was away is asked again
        try:
            await _take(broker, queue, do)
        except (OSError, EOFError) as error:
            print(f"{broker}: {error}")
            await asyncio.sleep(1)


async def _take(broker, queue, do):
    reader, writer = await _connect(broker)
    _send(writer, "SUBSCRIBE", id="1", destination=queue, ack="client-individual")
    while True:
        _, headers, body = await _frame(reader)
        await do(body)
        _send(writer, "ACK", id=headers["ack"])
