"""`python -m bench.bare PORT`: the peer, Starlette and uvicorn alone, answering a POST out of thin air."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request


async def _accept(request: Request) -> JSONResponse:
    return JSONResponse({"jobId": "0" * 36, "got": json.loads(await request.body())}, 202)


if __name__ == "__main__":
    app = Starlette(routes=[Route("/api/jobs/noop", _accept, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
