// A server, as server.py: Node's own `http` and `http2`, and grpc-js.

const http = require("node:http");
const http2 = require("node:http2");

const [library, port] = process.argv.slice(2);
const large = Buffer.alloc(1 << 20, "0123456789abcde\n");

function answer(path, body) {
  if (path === "/missing") return [404, Buffer.from("missing\n")];
  if (path === "/large") return [200, large];
  return [200, body.length ? body : Buffer.from("served\n")];
}

function respond(request, response) {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const [status, body] = answer(request.url, Buffer.concat(chunks));
    response.writeHead(status, { "content-length": body.length });
    response.end(request.method === "HEAD" ? undefined : body);
  });
}

function listen(server) {
  if (port !== "check") server.listen(Number(port), "0.0.0.0");
}

function serveGrpc() {
  const tools = `${__dirname}/../../../../../target/tools`;
  const grpc = require(`${tools}/node-programs/node_modules/@grpc/grpc-js`);
  const plain = (message) => message;
  const method = (name, responseStream) => ({
    path: `/programs.Greeter/${name}`,
    requestStream: false,
    responseStream,
    requestSerialize: plain,
    requestDeserialize: plain,
    responseSerialize: plain,
    responseDeserialize: plain,
  });
  const methods = {
    Hello: method("Hello", false),
    Count: method("Count", true),
    Missing: method("Missing", false),
  };
  const server = new grpc.Server();
  server.addService(methods, {
    Hello: (call, done) => done(null, call.request),
    Count: (call) => {
      for (let count = 0; count < 3; count++) call.write(call.request);
      call.end();
    },
    Missing: (_, done) => done({ code: grpc.status.NOT_FOUND }),
  });
  if (port === "check") return;
  const address = `0.0.0.0:${port}`;
  server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
  });
}

switch (library) {
  case "node":
    listen(http.createServer(respond));
    break;
  case "node-http2":
    listen(http2.createServer(respond));
    break;
  case "grpc-js":
    serveGrpc();
    break;
}
