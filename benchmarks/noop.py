"""FastAPI's own route that reads a JSON body and answers nothing: what a forecast by HTTP is measured against."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.post("/forecast")
async def forecast(body: dict[str, Any]) -> dict[str, Any]:
    """Read the body as FastAPI does and answer an empty object."""
    del body
    return {}


@app.get("/readyz")
async def readyz() -> dict[str, Any]:
    """Say that requests are taken."""
    return {}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
