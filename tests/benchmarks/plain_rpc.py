"""The rival of the command queue: a plain RPC over a Redis list, as one writes it in an afternoon.

A client pushes a request onto a list and waits on a list of its own for the answer. This process takes
requests, hands them to the PBX on one AMI connection, and pushes the PBX's response to the asker. Nothing
is signed, judged, noted anywhere, or kept from being done twice.
"""

from __future__ import annotations

import asyncio
import json
import sys

import redis.asyncio as redis
import uvloop

QUEUE = "rpc"


async def serve(url: str, port: int, user: str, secret: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    login = f"Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\nEvents: off\r\nActionID: login\r\n\r\n"
    writer.write(login.encode())
    client = redis.Redis.from_url(url)
    answering = asyncio.create_task(_answer(reader, client))
    print("ready", flush=True)
    while not answering.done():
        found = await client.blpop([QUEUE], timeout=1)
        if found is not None:
            request = json.loads(found[1])
            lines = "".join(f"{name}: {value}\r\n" for name, value in request["headers"].items())
            writer.write(f"Action: {request['action']}\r\nActionID: {request['id']}\r\n{lines}\r\n".encode())
            await writer.drain()


async def _answer(reader: asyncio.StreamReader, client: redis.Redis) -> None:
    while True:
        packet = await reader.readuntil(b"\r\n\r\n")
        lines = packet.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        if "Response" in headers and headers.get("ActionID", "login") != "login":
            await client.rpush(f"rpc:{headers['ActionID']}", json.dumps(headers))


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
