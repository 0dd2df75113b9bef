"""FastAPI: lifespan, a form, JSON, a file, a stream, background work, an endpoint on a thread."""

import threading
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import BackgroundTasks, FastAPI, Form, Request
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel


@asynccontextmanager
async def lifespan(app):
    yield {"notes": ["made at the start"], "sent": []}


app = FastAPI(lifespan=lifespan)


class Note(BaseModel):
    text: str


@app.get("/")
async def start(request: Request):
    return {"notes": request.state.notes, "url": str(request.url_for("download")), "sent": request.state.sent}


@app.post("/form", status_code=201)
async def form(text: Annotated[str, Form()], request: Request, tasks: BackgroundTasks):
    request.state.notes.append(text)
    tasks.add_task(request.state.sent.append, text)
    return {"count": len(request.state.notes)}


@app.post("/json")
def json_note(note: Note):
    return {"text": note.text, "on_the_main_thread": threading.current_thread() is threading.main_thread()}


@app.get("/download")
async def download():
    return FileResponse(__file__, media_type="text/plain")


@app.get("/stream")
async def stream():
    async def lines():
        for number in range(3):
            yield f"line {number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


@app.get("/fail")
async def fail():
    raise RuntimeError("an endpoint fails")
