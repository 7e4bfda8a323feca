"""The server: listens on the port in its first argument until SIGTERM."""

import signal
import sys
import time
from concurrent import futures

import grpc
from opentelemetry.instrumentation.grpc import GrpcInstrumentorServer

import telemetry
from greeter import MESSAGES, PAUSE_S, SERVICE, plain


def hello(request, _context):
    return request


def count(request, _context):
    for _ in range(MESSAGES):
        time.sleep(PAUSE_S)
        yield request


def missing(_request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "unknown name")


def main():
    provider = telemetry.start()
    GrpcInstrumentorServer().instrument()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    handlers = {
        "Hello": grpc.unary_unary_rpc_method_handler(hello, plain, plain),
        "Count": grpc.unary_stream_rpc_method_handler(count, plain, plain),
        "Missing": grpc.unary_unary_rpc_method_handler(missing, plain, plain),
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, handlers),)
    )
    server.add_insecure_port(f"0.0.0.0:{sys.argv[1]}")
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=5))
    server.start()
    server.wait_for_termination()
    provider.shutdown()


if __name__ == "__main__":
    main()
