"""A server of HTTP/1.1, HTTP/2 or gRPC. In: the name of a library, and its port, or `check` to
import the library only. Out: responses with status 200 whose body is that of the request, about 1
MB for /large, and 404 for /missing; of gRPC the message of the request, three times for Count, and
NOT_FOUND for Missing."""

import sys

LARGE = b"0123456789abcde\n" * 65536


def answer(path, body):
    if path == "/missing":
        return 404, b"missing\n"
    return 200, LARGE if path == "/large" else body or b"served\n"


def wsgi(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    status, body = answer(environ["PATH_INFO"], environ["wsgi.input"].read(length))
    reason = {200: "OK", 404: "Not Found"}[status]
    start_response(f"{status} {reason}", [("Content-Length", str(len(body)))])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


async def asgi(scope, receive, send):
    request = b""
    while True:
        event = await receive()
        request += event.get("body", b"")
        if not event.get("more_body"):
            break
    status, body = answer(scope["path"], request)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": body})


def http_server():
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            request = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answer(self.path, request)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = answer

    return lambda port: http.server.ThreadingHTTPServer(("", port), Handler).serve_forever()


def aiohttp_web():
    from aiohttp import web

    async def handler(request):
        status, body = answer(request.path, await request.read())
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return lambda port: web.run_app(app, host="0.0.0.0", port=port, print=None)


def uvicorn():
    import uvicorn

    return lambda port: uvicorn.run(asgi, host="0.0.0.0", port=port, lifespan="off", log_level="error")


def gunicorn():
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):
        def __init__(self, port):
            self.port = port
            super().__init__()

        def load_config(self):
            self.cfg.set("bind", f"0.0.0.0:{self.port}")
            # The default worker closes each connection after a response.
            self.cfg.set("worker_class", "gthread")
            self.cfg.set("threads", 2)

        def load(self):
            return wsgi

    return lambda port: Application(port).run()


def waitress():
    import waitress

    return lambda port: waitress.serve(wsgi, host="0.0.0.0", port=port)


def werkzeug():
    from werkzeug.serving import WSGIRequestHandler, run_simple

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

    return lambda port: run_simple("0.0.0.0", port, wsgi, threaded=True, request_handler=Handler)


def hypercorn():
    import asyncio

    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.loglevel = "ERROR"

    def run(port):
        config.bind = [f"0.0.0.0:{port}"]
        asyncio.run(serve(asgi, config))

    return run


def grpcio():
    from concurrent import futures

    import grpc

    class Greeter(grpc.GenericRpcHandler):
        def service(self, details):
            method = details.method.rsplit("/")[-1]
            if method == "Count":
                return grpc.unary_stream_rpc_method_handler(lambda request, _: iter([request] * 3))
            if method == "Missing":
                return grpc.unary_unary_rpc_method_handler(
                    lambda _, context: context.abort(grpc.StatusCode.NOT_FOUND, "missing")
                )
            return grpc.unary_unary_rpc_method_handler(lambda request, _: request)

    def run(port):
        server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Greeter()])
        server.add_insecure_port(f"0.0.0.0:{port}")
        server.start()
        server.wait_for_termination()

    return run


LIBRARIES = {
    "http.server": http_server,
    "aiohttp.web": aiohttp_web,
    "uvicorn": uvicorn,
    "gunicorn": gunicorn,
    "waitress": waitress,
    "werkzeug": werkzeug,
    "hypercorn": hypercorn,
    "grpcio": grpcio,
}


def main():
    library, port = sys.argv[1:]
    # gunicorn reads arguments of its own.
    del sys.argv[1:]
    serve = LIBRARIES[library]()
    if port != "check":
        serve(int(port))


main()
