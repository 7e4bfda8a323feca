"""The client: calls each method in turn, on one connection to the address in its first argument.

Writes one line for each call: the method, the status, and how many messages arrived.
"""

import sys

import grpc
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient

import telemetry
from greeter import COUNT, HELLO, MISSING, plain

ROUNDS = 5


def report(method, status, messages):
    print(method, status.name, messages)


def main():
    provider = telemetry.start()
    GrpcInstrumentorClient().instrument()
    with grpc.insecure_channel(sys.argv[1]) as channel:
        hello = channel.unary_unary(HELLO, plain, plain)
        count = channel.unary_stream(COUNT, plain, plain)
        missing = channel.unary_unary(MISSING, plain, plain)
        for _ in range(ROUNDS):
            hello(b"anna")
            report("Hello", grpc.StatusCode.OK, 1)
            messages = sum(1 for _ in count(b"ben"))
            report("Count", grpc.StatusCode.OK, messages)
            try:
                missing(b"unknown")
            except grpc.RpcError as error:
                report("Missing", error.code(), 0)
    provider.shutdown()


if __name__ == "__main__":
    main()
