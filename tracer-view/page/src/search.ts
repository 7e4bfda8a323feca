/** The search language of the trace list. In: what was typed, and a row. Out: does it match. Pure. */

import { parseDuration } from "./format";
import type { TraceRow } from "./model";

export interface Query {
  /** Each matches service, route, failure or trace id. */
  words: string[];
  services: string[];
  routes: string[];
  failures: string[];
  minNs: number | null;
  maxNs: number | null;
  error: boolean;
  incomplete: boolean;
  /** Words in which something is wrong, as sentences. */
  problems: string[];
}

/** What `?` prints about the language. */
export const SEARCH_HELP: readonly [example: string, meaning: string][] = [
  ["customer", "service, route, failure or trace id contains the word"],
  ["service:frontend", "a service of the trace contains it"],
  ["route:/dispatch", "a route or RPC method contains it"],
  ["failure:NETFILTER_DROP", "the words of a failure contain it"],
  ["min:10ms max:1s", "the trace takes at least, at most this long"],
  ["error", "something failed"],
  ["incomplete", "something of the data plane was not seen"],
  ['"no endpoints"', "quotes keep words together; all terms must match"],
];

export function parseQuery(text: string): Query {
  const query: Query = {
    words: [], services: [], routes: [], failures: [],
    minNs: null, maxNs: null, error: false, incomplete: false, problems: [],
  };
  for (const [key, value] of terms(text)) {
    const lower = value.toLowerCase();
    if (key === null) {
      if (lower === "error") query.error = true;
      else if (lower === "incomplete") query.incomplete = true;
      else if (lower !== "") query.words.push(lower);
    } else if (lower === "") {
      query.problems.push(`${key}: needs a value`);
    } else if (key === "service") query.services.push(lower);
    else if (key === "route") query.routes.push(lower);
    else if (key === "failure") query.failures.push(lower);
    else {
      const ns = parseDuration(lower);
      if (ns === null) query.problems.push(`${key}:${value} is no duration; write ${key}:10ms`);
      else if (key === "min") query.minNs = ns;
      else query.maxNs = ns;
    }
  }
  return query;
}

export function matches(query: Query, row: TraceRow): boolean {
  const some = (texts: readonly string[], needle: string) => texts.some((text) => text.toLowerCase().includes(needle));
  const services = [row.service, ...row.services];
  const routes = [row.name, ...row.routes];
  return (
    (query.minNs === null || row.durationNs >= query.minNs) &&
    (query.maxNs === null || row.durationNs <= query.maxNs) &&
    (!query.error || row.failures.length > 0) &&
    (!query.incomplete || row.incomplete) &&
    query.services.every((needle) => some(services, needle)) &&
    query.routes.every((needle) => some(routes, needle)) &&
    query.failures.every((needle) => some(row.failures, needle)) &&
    query.words.every((needle) => some([row.id, ...services, ...routes, ...row.failures], needle))
  );
}

const KEYS = ["service", "route", "failure", "min", "max"];

/** Splits at spaces outside of quotes; `key:value`, or null and a word. */
function terms(text: string): [key: string | null, value: string][] {
  const found: [string | null, string][] = [];
  for (const match of text.matchAll(/(?:([a-z]+):)?(?:"([^"]*)"?|(\S+))|([a-z]+):(?=\s|$)/gi)) {
    const key = (match[1] ?? match[4])?.toLowerCase() ?? null;
    const value = match[2] ?? match[3] ?? "";
    if (key === null || KEYS.includes(key)) {
      // `min:` alone is read as a word by the first branch.
      const bare = key === null && match[2] === undefined && /^([a-z]+):$/i.exec(value);
      if (bare && KEYS.includes((bare[1] as string).toLowerCase())) found.push([(bare[1] as string).toLowerCase(), ""]);
      else found.push([key, value]);
    } else found.push([null, match[0]]);
  }
  return found;
}
