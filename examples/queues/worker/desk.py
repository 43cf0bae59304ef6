"""A page that hands out one job on each queue, and shows which came back."""

import asyncio
import uuid

import cache
from aiohttp import web
from queues import PUT


async def page(request):
    job = uuid.uuid4().hex.encode()
    await asyncio.gather(*(put(job) for put in PUT.values()))
    answers = {}
    for _ in range(100):
        answers = {queue: await cache.noted(queue, job) for queue in PUT}
        if "waits" not in answers.values():
            break
        await asyncio.sleep(0.1)
    return web.json_response(answers)


async def health(request):
    return web.Response(text="ok")


app = web.Application()
app.add_routes([web.get("/", page), web.get("/healthz", health)])
web.run_app(app, port=8000)
