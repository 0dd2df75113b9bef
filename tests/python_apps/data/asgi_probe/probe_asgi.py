"""An ASGI application that shows what its server does. The path below its mount point says what."""

import asyncio
import contextvars
import json
import os
import sys

seen = {"lifespan": [], "disconnects": [], "background": 0, "late_sends": []}
released = asyncio.Event()
released_never = asyncio.Event()
variable = contextvars.ContextVar("variable", default="unset")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(scope, receive, send)
        return
    path = scope["path"][len(scope["root_path"]) :]
    await PAGES[path.strip("/").partition("/")[0]](scope, receive, send)


async def live(scope, receive, send):
    while True:
        message = await receive()
        seen["lifespan"].append(message["type"])
        if message["type"] == "lifespan.startup":
            scope["state"]["greeting"] = "hello"
            await send({"type": "lifespan.startup.complete"})
        else:
            with open("shutdown.txt", "a") as file:
                file.write(f"background {seen['background']}\n")
            await send({"type": "lifespan.shutdown.complete"})
            return


async def start(send, status=200, headers=()):
    fields = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def whole(send, body, **more):
    await start(send, **more)
    await send({"type": "http.response.body", "body": body})


async def show_scope(scope, receive, send):
    shown = {
        name: value.decode() if isinstance(value, bytes) else value for name, value in scope.items() if name != "headers"
    }
    shown["headers"] = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    shown["cwd"] = os.getcwd()
    shown["state"] = dict(scope["state"])
    scope["state"]["greeting"] = "changed"
    await whole(send, json.dumps(shown).encode())


async def show_seen(scope, receive, send):
    await whole(send, json.dumps(seen).encode())


async def echo(scope, receive, send):
    await start(send)
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


async def stream(scope, receive, send):
    await start(send)
    await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
    await released.wait()
    await send({"type": "http.response.body", "body": b"second\n", "more_body": False})


async def release(scope, receive, send):
    released.set()
    await whole(send, b"released")


async def endless(scope, receive, send):
    await receive()
    await start(send)
    try:
        while True:
            await send({"type": "http.response.body", "body": bytes(10000), "more_body": True})
    except OSError:
        seen["late_sends"].append("OSError")
        seen["disconnects"].append((await receive())["type"])


async def stubborn(scope, receive, send):
    """Takes no notice of a client that has left."""
    await receive()
    await start(send)
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        seen["disconnects"].append("cancelled")
        raise


async def background(scope, receive, send):
    variable.set("mine")
    await whole(send, b"answered", headers=[(b"content-length", b"8")])
    seen["disconnects"].append((await receive())["type"])
    await asyncio.sleep(0.05)
    seen["background"] += 1


async def promised(scope, receive, send):
    """All bytes that were promised are sent before the last message."""
    await start(send, headers=[(b"content-length", b"5")])
    await send({"type": "http.response.body", "body": b"whole", "more_body": True})
    await asyncio.sleep(0.05)
    await send({"type": "http.response.body", "body": b""})
    seen["background"] += 100


async def read_variable(scope, receive, send):
    await whole(send, variable.get().encode())


async def look_at_task(scope, receive, send):
    """What frameworks do with the task of a request: note it, bind a timeout to it, set variables and put them back."""
    task, token = asyncio.current_task(), variable.set("inside")
    notes = [task.get_name() != "", task is asyncio.current_task()]
    try:
        async with asyncio.timeout(0.02):
            await released_never.wait()
    except TimeoutError:
        notes.append("timed out")
    notes += [task is asyncio.current_task(), task.cancelling() == 0]
    variable.reset(token)
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
    await whole(send, json.dumps([*notes, variable.get()]).encode())


async def path_send(scope, receive, send):
    assert "http.response.pathsend" in scope["extensions"]
    await start(send, headers=[(b"content-length", str(os.path.getsize(__file__)).encode())])
    await send({"type": "http.response.pathsend", "path": os.path.abspath(__file__)})


async def error_before(scope, receive, send):
    raise RuntimeError("before the head")


async def error_after(scope, receive, send):
    await start(send)
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    raise RuntimeError("after the head")


async def no_answer(scope, receive, send):
    return


async def leave(scope, receive, send):
    sys.exit(3)


async def interrupt(scope, receive, send):
    raise KeyboardInterrupt


async def twice(scope, receive, send):
    await start(send)
    await start(send)


PAGES = {
    "": show_scope,
    "scope": show_scope,
    "seen": show_seen,
    "echo": echo,
    "stream": stream,
    "release": release,
    "endless": endless,
    "stubborn": stubborn,
    "background": background,
    "promised": promised,
    "variable": read_variable,
    "task": look_at_task,
    "path-send": path_send,
    "error-before": error_before,
    "error-after": error_after,
    "no-answer": no_answer,
    "exit": leave,
    "interrupt": interrupt,
    "twice": twice,
}


def old_style(scope):
    async def instance(receive, send):
        await whole(send, b"ASGI 2")

    return instance
