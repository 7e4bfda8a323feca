/** The address after `#`: which view is open, and its settings, so that links and "back" work. Pure. */

export type View = "traces" | "trace" | "compare" | "map" | "notFound";

export interface Route {
  view: View;
  /** Of `trace`: the set and the trace. */
  set: string | null;
  trace: string | null;
  params: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const params = new URLSearchParams(search);
  const [view = "", ...rest] = path.split("/").map(decode);
  const route: Route = { view: "notFound", set: params.get("set"), trace: null, params };
  if (view === "" || view === "traces") route.view = "traces";
  else if (view === "compare" || view === "map") route.view = view;
  else if (view === "trace" && rest.length === 2) {
    route.view = "trace";
    route.set = rest[0] ?? null;
    route.trace = rest[1] ?? null;
  }
  return route;
}

type Params = Record<string, string | number | null | undefined>;

export function href(view: "traces" | "compare" | "map", params: Params = {}): string {
  return `#/${view}${search(params)}`;
}

export function traceHref(set: string, trace: string, params: Params = {}): string {
  return `#/trace/${encodeURIComponent(set)}/${encodeURIComponent(trace)}${search(params)}`;
}

function search(params: Params): string {
  const used = Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== "");
  if (used.length === 0) return "";
  return `?${new URLSearchParams(used.map(([key, value]) => [key, String(value)]))}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
