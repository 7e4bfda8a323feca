"""A client of HTTP/1.1, HTTP/2 or gRPC. In: the name of a library and the address of a server as arguments, and on
standard input a request a line, `METHOD PATH TRACEPARENT [FILE OF THE BODY]`. Out: a line for each
request, the status of its response or the error; of gRPC its number. The requests use one
connection where the library keeps one."""

import asyncio
import sys
from urllib.parse import urlsplit


def http_client(server):
    import http.client

    connection = http.client.HTTPConnection(urlsplit(server).netloc)

    def send(method, path, headers, body):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status

    return send


def urllib_request(server):
    import urllib.error
    import urllib.request

    def send(method, path, headers, body):
        request = urllib.request.Request(server + path, body, headers, method=method)
        try:
            response = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            response.read()
            return response.status

    return send


def requests(server):
    import requests

    session = requests.Session()
    return lambda method, path, headers, body: session.request(
        method, server + path, headers=headers, data=body
    ).status_code


def httpx(server, **versions):
    import httpx

    client = httpx.Client(**versions)
    return lambda method, path, headers, body: client.request(
        method, server + path, headers=headers, content=body
    ).status_code


def urllib3(server):
    import urllib3

    pool = urllib3.PoolManager()
    return lambda method, path, headers, body: pool.request(
        method, server + path, headers=headers, body=body, retries=False
    ).status


def aiohttp(server):
    import aiohttp

    loop = asyncio.new_event_loop()

    async def make():
        return aiohttp.ClientSession()

    session = loop.run_until_complete(make())

    async def request(method, path, headers, body):
        async with session.request(method, server + path, headers=headers, data=body) as response:
            await response.read()
            return response.status

    def send(*arguments):
        return loop.run_until_complete(request(*arguments))

    send.close = lambda: loop.run_until_complete(session.close())
    return send


def grpcio(server):
    import grpc

    channel = grpc.insecure_channel(urlsplit(server).netloc)

    def send(method, path, headers, body):
        metadata = list(headers.items())
        if path.endswith("/Count"):
            call = channel.unary_stream(path)(body, metadata=metadata)
            assert len(list(call)) == 3
            return call.code().value[0]
        try:
            _, call = channel.unary_unary(path).with_call(body, metadata=metadata)
        except grpc.RpcError as error:
            call = error
        return call.code().value[0]

    send.close = channel.close
    return send


LIBRARIES = {
    "http.client": http_client,
    "urllib.request": urllib_request,
    "requests": requests,
    "httpx": httpx,
    "httpx-h2": lambda server: httpx(server, http1=False, http2=True),
    "grpcio": grpcio,
    "urllib3": urllib3,
    "aiohttp": aiohttp,
}


def main():
    library, server = sys.argv[1:]
    send = LIBRARIES[library](server)
    for line in sys.stdin:
        method, path, traceparent, *file = line.split()
        body = open(file[0], "rb").read() if file else None
        try:
            print(send(method, path, {"traceparent": traceparent}, body), flush=True)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", flush=True)
    getattr(send, "close", lambda: None)()


main()
