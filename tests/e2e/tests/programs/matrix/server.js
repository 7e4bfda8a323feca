// An HTTP/1.1 server, as server.py: Node's own `http`.

const http = require("node:http");

const port = process.argv[3];
const large = Buffer.alloc(1 << 20, "0123456789abcde\n");

function answer(path, body) {
  if (path === "/missing") return [404, Buffer.from("missing\n")];
  if (path === "/large") return [200, large];
  return [200, body.length ? body : Buffer.from("served\n")];
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const [status, body] = answer(request.url, Buffer.concat(chunks));
    response.writeHead(status, { "content-length": body.length });
    response.end(request.method === "HEAD" ? undefined : body);
  });
});
if (port !== "check") server.listen(Number(port), "0.0.0.0");
