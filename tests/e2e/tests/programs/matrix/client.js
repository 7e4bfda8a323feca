// An HTTP/1.1 client, as client.py. The libraries are `http`, with an agent that keeps its
// connections, and `fetch`.

const fs = require("node:fs");
const http = require("node:http");

const [library, server] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

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
}

main();
