// A client, as client.py. The libraries are `http`, with an agent that keeps its connections,
// `fetch`, `http2` and grpc-js.

const fs = require("node:fs");
const http = require("node:http");
const http2 = require("node:http2");

const [library, server] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const tools = `${__dirname}/../../../../../target/tools`;
const grpc =
  library === "grpc-js" && require(`${tools}/node-programs/node_modules/@grpc/grpc-js`);
let session;
let client;

const libraries = {
  "node-http": (method, path, headers, body) =>
    new Promise((resolve, reject) => {
      const length = body ? { "content-length": body.length } : {};
      const options = { method, agent, headers: { ...headers, ...length } };
      const request = http.request(server + path, options, (response) => {
        response.resume();
        response.on("error", reject);
        response.on("end", () => resolve(response.statusCode));
      });
      request.on("error", reject);
      request.end(body);
    }),
  "node-fetch": async (method, path, headers, body) => {
    const response = await fetch(server + path, { method, headers, body });
    await response.arrayBuffer();
    return response.status;
  },
  "node-http2": (method, path, headers, body) =>
    new Promise((resolve, reject) => {
      session ??= http2.connect(server).on("error", reject);
      const request = session.request({ ":method": method, ":path": path, ...headers });
      let status;
      request.on("response", (headers) => (status = headers[":status"]));
      request.on("error", reject);
      request.on("end", () => resolve(status));
      request.resume();
      request.end(body);
    }),
  "grpc-js": (_, path, headers, body) =>
    new Promise((resolve) => {
      client ??= new grpc.Client(new URL(server).host, grpc.credentials.createInsecure());
      const metadata = new grpc.Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      const plain = (message) => message;
      const call = path.endsWith("/Count")
        ? client.makeServerStreamRequest(path, plain, plain, body, metadata)
        : client.makeUnaryRequest(path, plain, plain, body, metadata, () => {});
      call.on("data", () => {});
      call.on("error", () => {});
      call.on("status", (status) => resolve(status.code));
    }),
};

async function main() {
  const send = libraries[library];
  for (const line of fs.readFileSync(0, "utf8").split("\n").filter(Boolean)) {
    const [method, path, traceparent, file] = line.split(" ");
    const body = file && fs.readFileSync(file);
    try {
      console.log(await send(method, path, { traceparent }, body));
    } catch (error) {
      console.log(`${error.name}: ${error.message} ${error.cause ?? ""}`);
    }
  }
  agent.destroy();
  session?.close();
  client?.close();
}

main();
