"""The app as a web server runs it: the page, security headers on every answer, /healthz and /metrics."""

from pathlib import Path

import streamlit as st
from prometheus_client import make_asgi_app
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
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


app = st.App(
    Path(__file__).with_name("main.py"),
    routes=[Route("/healthz", healthz), Mount("/metrics", make_asgi_app())],
    middleware=[Middleware(Headers)],
)
