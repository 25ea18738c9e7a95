"""`python -m bench.serve [bare]`: the real server with the no-op kind beside its own, or a bare one to compare with."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from server.__main__ import main
from snapasset.job_type import Catalogue
from worker.processors import catalogue
from worker.processors.trial import NOOP

if TYPE_CHECKING:
    from starlette.requests import Request

    from snapasset.settings import Settings


def with_noop(settings: Settings) -> Catalogue:
    """The product's kinds and `noop`."""
    return Catalogue([*catalogue(settings), NOOP])


async def _echo(request: Request) -> JSONResponse:
    return JSONResponse({"jobId": "0" * 36, "got": json.loads(await request.body())}, 202)


def bare(port: int) -> None:
    """The peer: Starlette and uvicorn alone, answering a POST out of thin air."""
    app = Starlette(routes=[Route("/api/jobs/noop", _echo, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        bare(int(sys.argv[2]))
    else:
        sys.exit(main(with_noop))
