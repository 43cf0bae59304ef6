import os
import time

import pika


def channel():
    for _ in range(60):
        try:
            channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
        except pika.exceptions.AMQPConnectionError:
            time.sleep(1)
        else:
            for queue in ("todo", "done"):
                channel.queue_declare(queue)
            return channel
    raise SystemExit("the broker does not answer")
