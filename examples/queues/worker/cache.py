"""What is done is noted in Memcached, under the queue's name and the job's number."""

import os

import aiomcache

_host, _, _port = os.environ["MEMCACHED_SERVERS"].partition(":")
_client = aiomcache.Client(_host, int(_port))


async def note(queue, job, text):
    await _client.set(b"%s/%s" % (queue.encode(), job), text.encode())


async def noted(queue, job):
    return (await _client.get(b"%s/%s" % (queue.encode(), job)) or b"waits").decode()
