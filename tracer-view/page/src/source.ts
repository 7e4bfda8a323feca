/** Where the page gets its data: the server, or the report that it was written into. */

import type { Comparison, EmbeddedReport, TraceList, TraceSet, TraceView } from "./model";

export interface Source {
  /** Polled: traces arrive, and files can be opened. */
  readonly live: boolean;
  /** When the report was made; null of a server. */
  readonly created: string | null;
  sets(): Promise<TraceSet[]>;
  list(set: string, after: number | null): Promise<TraceList>;
  trace(set: string, trace: string): Promise<TraceView>;
  /** Whether `trace` can give this trace. */
  has(set: string, trace: string): boolean;
  comparison(set: string, fromMs: number | null, toMs: number | null): Promise<Comparison>;
  /** Where the trace's OTLP/JSON is; null where it cannot be saved. */
  otlp(set: string, trace: string): string | null;
  open(file: File): Promise<TraceSet>;
  close(set: string): Promise<void>;
}

/** What a source could not do, in words for people. `gone`: the server did not answer. */
export class SourceError extends Error {
  constructor(message: string, readonly status: number | null) {
    super(message);
  }
  get gone(): boolean {
    return this.status === null;
  }
}

/** The report in the page, else the server that sent the page. */
export function findSource(): Source {
  const report = document.getElementById("report");
  if (!report) return new ServerSource();
  return new EmbeddedSource(JSON.parse(report.textContent ?? "") as EmbeddedReport);
}

class ServerSource implements Source {
  readonly live = true;
  readonly created = null;

  sets(): Promise<TraceSet[]> {
    return request("api/sets");
  }
  list(set: string, after: number | null): Promise<TraceList> {
    return request(`${api(set)}/traces${after === null ? "" : `?after=${after}`}`);
  }
  trace(set: string, trace: string): Promise<TraceView> {
    return request(`${api(set)}/traces/${encodeURIComponent(trace)}`);
  }
  has(): boolean {
    return true;
  }
  comparison(set: string, fromMs: number | null, toMs: number | null): Promise<Comparison> {
    const params = new URLSearchParams();
    if (fromMs !== null) params.set("from", String(Math.floor(fromMs)));
    if (toMs !== null) params.set("to", String(Math.ceil(toMs)));
    return request(`${api(set)}/comparison${params.size > 0 ? `?${params}` : ""}`);
  }
  otlp(set: string, trace: string): string {
    return `${api(set)}/traces/${encodeURIComponent(trace)}/otlp`;
  }
  open(file: File): Promise<TraceSet> {
    return request(`api/sets?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
  }
  async close(set: string): Promise<void> {
    await request(api(set), { method: "DELETE" });
  }
}

function api(set: string): string {
  return `api/sets/${encodeURIComponent(set)}`;
}

async function request<T>(url: string, init: RequestInit = {}): Promise<T> {
  // The server refuses changes without the header, which another site cannot send.
  if (init.method) init = { ...init, headers: { "X-Hopspan": "page" } };
  let response: Response;
  try {
    response = await fetch(url, { cache: "no-store", ...init });
  } catch {
    throw new SourceError("hopspan view does not answer.", null);
  }
  const text = await response.text().catch(() => "");
  if (!response.ok) throw new SourceError(text.trim() || `The server answered ${response.status}.`, response.status);
  try {
    return (text === "" ? undefined : JSON.parse(text)) as T;
  } catch {
    throw new SourceError("The server's answer is not JSON.", response.status);
  }
}

class EmbeddedSource implements Source {
  readonly live = false;
  readonly created: string;
  private readonly report: EmbeddedReport;

  constructor(report: EmbeddedReport) {
    this.report = report;
    this.created = report.created;
  }
  async sets(): Promise<TraceSet[]> {
    return this.report.sets.map(({ set }) => set);
  }
  async list(set: string): Promise<TraceList> {
    return { ...this.find(set).list, whole: true };
  }
  async trace(set: string, trace: string): Promise<TraceView> {
    const found = this.find(set).traces.find(({ row }) => row.id === trace);
    if (!found) throw new SourceError("The report does not have the spans of this trace: it keeps those of the slowest and the failed ones.", 404);
    return found;
  }
  has(set: string, trace: string): boolean {
    return this.report.sets.some((one) => one.set.id === set && one.traces.some(({ row }) => row.id === trace));
  }
  async comparison(set: string): Promise<Comparison> {
    return this.find(set).comparison;
  }
  otlp(): null {
    return null;
  }
  open(): Promise<TraceSet> {
    return Promise.reject(new SourceError("A report opens no files: hopspan view does.", 400));
  }
  close(): Promise<void> {
    return Promise.reject(new SourceError("A report closes nothing.", 400));
  }
  private find(set: string) {
    const found = this.report.sets.find((one) => one.set.id === set);
    if (!found) throw new SourceError("The report does not have this set.", 404);
    return found;
  }
}
