"""The guestbook's page. Everything on it comes from the API."""

import logging
import os
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import quote

import httpx
from fastapi import FastAPI, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader

logging.getLogger("uvicorn.access").addFilter(lambda line: "/healthz" not in line.getMessage())
logging.getLogger("httpx").setLevel(logging.WARNING)

api = httpx.AsyncClient(base_url=os.environ["API_URL"], timeout=10)
page = Environment(loader=FileSystemLoader("."), autoescape=True).get_template("page.html")


@asynccontextmanager
async def lifespan(_: FastAPI):
    async with api:
        yield


app = FastAPI(title="page", lifespan=lifespan)


@app.exception_handler(httpx.HTTPError)
async def away(request: Request, error: httpx.HTTPError) -> HTMLResponse:
    """The page without entries, while the API is away."""
    return HTMLResponse(page.render(entries=[], notice="The book is away for a moment."), status_code=502)


@app.get("/", response_class=HTMLResponse)
async def book(notice: str = "") -> str:
    entries, visits = await api.get("/entries"), await api.post("/visits")
    entries.raise_for_status()
    return page.render(entries=entries.json(), visits=visits.json()["visits"], notice=notice)


@app.post("/")
async def write(
    name: Annotated[str, Form()], message: Annotated[str, Form()], picture: UploadFile | None = None
) -> RedirectResponse:
    files = None
    if picture is not None and picture.filename:
        files = {"picture": (picture.filename, picture.file, picture.content_type)}
    answer = await api.post("/entries", data={"name": name, "message": message}, files=files)
    if answer.is_success:
        return RedirectResponse("/", status_code=303)
    detail = answer.json().get("detail") if answer.is_client_error else "please try again"
    notice = detail if isinstance(detail, str) else "a name has 40 letters at most, a message 280"
    return RedirectResponse(f"/?notice={quote('Sorry: ' + notice + '.')}", status_code=303)


@app.post("/hearts/{id}")
async def like(id: int) -> RedirectResponse:
    await api.post(f"/entries/{id}/hearts")
    return RedirectResponse(f"/#entry-{id}", status_code=303)


@app.get("/pictures/{key}")
async def picture(key: str) -> Response:
    """A picture as somebody uploaded it: shown, never run."""
    answer = await api.get(f"/pictures/{quote(key)}")
    headers = {"Cache-Control": "max-age=86400"} if answer.is_success else {}
    headers |= {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
    headers |= {"X-Content-Type-Options": "nosniff", "Content-Type": answer.headers["content-type"]}
    return Response(answer.content, answer.status_code, headers)


@app.get("/healthz")
async def health() -> dict[str, bool]:
    return {"ok": True}


app.mount("/static", StaticFiles(directory="static"))
