"""The app as a web server runs it: the page, security headers on every answer, /healthz and /metrics."""

import os
from pathlib import Path

import streamlit as st
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from zoomdiff.app import metrics  # noqa: F401  # registered, so that they are there from the start

HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",  # no other site shows the page in a frame and steers clicks
    "Referrer-Policy": "same-origin",  # an address names the region that somebody looks at
    "X-Content-Type-Options": "nosniff",
}


class Headers:
    """Adds HEADERS to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def healthz(request: Request) -> Response:
    """Answers as long as the server does."""
    return PlainTextResponse("ok")


def figures(request: Request) -> Response:
    """What `metrics` counts, as Prometheus reads it."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def routes() -> list[Route]:
    """At the root, and below the path that the page has."""
    below = os.environ.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip("/")
    return [
        Route(f"{path}/{name}", answer)
        for path in dict.fromkeys(("", f"/{below}" if below else ""))
        for name, answer in (("healthz", healthz), ("metrics", figures))
    ]


app = st.App(
    Path(__file__).with_name("main.py"),
    routes=routes(),
    middleware=[Middleware(Headers)],
)
