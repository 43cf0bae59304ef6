"""Each queue in two functions: put a job there, and do every job that comes from there."""

import json
import os
from functools import partial

import aio_pika
import nats
import redis.asyncio as redis
import stomp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def put_rabbitmq(job):
    async with await aio_pika.connect(os.environ["RABBITMQ_JOBS_URL"]) as connection:
        channel = await connection.channel()
        await channel.declare_queue("jobs", durable=True)
        message = aio_pika.Message(job, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "jobs")


async def take_rabbitmq(do):
    connection = await aio_pika.connect_robust(os.environ["RABBITMQ_JOBS_URL"])
    channel = await connection.channel()
    queue = await channel.declare_queue("jobs", durable=True)
    async with queue.iterator() as messages:
        async for message in messages:
            async with message.process():
                await do(message.body)


async def _stream():
    stream = (await nats.connect(os.environ["NATS_URL"])).jetstream()
    await stream.add_stream(name="jobs", subjects=["jobs"])
    return stream


async def put_nats(job):
    await (await _stream()).publish("jobs", job)


async def take_nats(do):
    jobs = await (await _stream()).subscribe("jobs", durable="worker")
    async for message in jobs.messages:
        await do(message.data)
        await message.ack()


async def put_kafka(job):
    async with AIOKafkaProducer(bootstrap_servers=os.environ["KAFKA_BROKERS"]) as producer:
        await producer.send_and_wait("jobs", job)


async def take_kafka(do):
    brokers = os.environ["KAFKA_BROKERS"]
    consumer = AIOKafkaConsumer("jobs", bootstrap_servers=brokers, group_id="worker", auto_offset_reset="earliest")
    async with consumer:
        async for message in consumer:
            await do(message.value)


async def put_resque(job):  # its worker is a program of its own, in ../resque
    async with redis.from_url(os.environ["REDIS_URL"]) as server:
        await server.sadd("resque:queues", "jobs")
        await server.rpush("resque:queue:jobs", json.dumps({"class": "do", "queue": "jobs", "args": [job.decode()]}))


put_activemq, take_activemq = partial(stomp.put, "ACTIVEMQ", "/queue/jobs"), partial(stomp.take, "ACTIVEMQ", "/queue/jobs")
put_artemis, take_artemis = partial(stomp.put, "ARTEMIS", "jobs"), partial(stomp.take, "ARTEMIS", "jobs")

PUT = {
    "activemq": put_activemq,
    "artemis": put_artemis,
    "kafka": put_kafka,
    "nats": put_nats,
    "rabbitmq": put_rabbitmq,
    "resque": put_resque,
}
TAKE = {
    "activemq": take_activemq,
    "artemis": take_artemis,
    "kafka": take_kafka,
    "nats": take_nats,
    "rabbitmq": take_rabbitmq,
}
