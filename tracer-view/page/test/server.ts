/** Serves dist/ and the fixture as `hopspan view` would. Only for development: it trusts what it gets. */

import { createServer, type Server } from "node:http";
import { readFile } from "node:fs/promises";
import { compare, fixtureSets, type FixtureSet } from "./fixture";

const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FILES: Record<string, [file: string, type: string]> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/page.js": ["page.js", "text/javascript; charset=utf-8"],
  "/page.css": ["page.css", "text/css; charset=utf-8"],
};

export function serve(dist: string, port: number): Promise<{ server: Server; port: number; sets: FixtureSet[] }> {
  const sets = fixtureSets(Date.now());
  let opened = 10;
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://fixture");
    const send = (status: number, type: string, body: string | Buffer) => {
      response.writeHead(status, { "content-type": type, "content-security-policy": CSP, "x-content-type-options": "nosniff" });
      response.end(body);
    };
    const json = (value: unknown) => send(200, "application/json", JSON.stringify(value));
    const missing = (text = "not there") => send(404, "text/plain", text);
    const file = FILES[url.pathname];
    if (file) return send(200, file[1], await readFile(`${dist}/${file[0]}`));
    const [api, kind, id, part, trace, otlp] = url.pathname.split("/").slice(1).map(decodeURIComponent);
    if (api !== "api" || kind !== "sets") return missing();
    if (request.method !== "GET" && request.headers["x-hopspan"] !== "page") return send(403, "text/plain", "not from the page");
    if (id === undefined && request.method === "POST") {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      try {
        JSON.parse(body.split("\n")[0] ?? "");
      } catch {
        return send(400, "text/plain", "the file is not OTLP/JSON: line 1");
      }
      opened += 1;
      const first = sets[1] as FixtureSet;
      const set = { ...first, set: { id: String(opened), name: url.searchParams.get("name") ?? "file", traces: first.views.length } };
      sets.push(set);
      return json(set.set);
    }
    if (id === undefined) return json(sets.map(({ set }) => set));
    const at = sets.findIndex(({ set }) => set.id === id);
    const set = sets[at];
    if (!set) return missing("no such set");
    if (request.method === "DELETE") {
      sets.splice(at, 1);
      return send(200, "text/plain", "");
    }
    if (part === "traces" && trace === undefined) {
      const after = url.searchParams.get("after");
      const version = set.rows.length;
      return json({ version, whole: after === null, rows: set.rows.slice(after === null ? 0 : Number(after)), removed: [], losses: [] });
    }
    if (part === "traces" && trace !== undefined) {
      const view = set.recipes.get(trace)?.();
      if (!view) return missing("no longer kept");
      return otlp === "otlp" ? json({ resourceSpans: [] }) : json(view);
    }
    if (part === "comparison") {
      const number = (name: string, otherwise: number) => (url.searchParams.has(name) ? Number(url.searchParams.get(name)) : otherwise);
      return json(compare(set.views, number("from", -Infinity), number("to", Infinity)));
    }
    return missing();
  });
  return new Promise((resolve) => {
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      resolve({ server, port: typeof address === "object" && address ? address.port : port, sets });
    });
  });
}
