/** What several views need of the browser: address, media, keys, and the visible part of long lists. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";
import { parseRoute, type Route } from "./route";

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return parseRoute(hash);
}

/** Replaces the address without a step in the history: what is typed or selected. */
export function replaceHash(hash: string): void {
  if (location.hash === hash) return;
  history.replaceState(null, "", hash);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const changed = () => setMatches(list.matches);
    changed();
    list.addEventListener("change", changed);
    return () => list.removeEventListener("change", changed);
  }, [query]);
  return matches;
}

export const NARROW = "(max-width: 700px)";

/** Calls the newest `handle` for keys that are not meant for a field, a dialog or the browser. */
export function useKeys(handle: (event: KeyboardEvent) => void): void {
  const newest = useRef(handle);
  newest.current = handle;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target as HTMLElement | null;
      if (target?.closest("input, select, textarea, dialog")) return;
      newest.current(event);
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}

/** Rows beyond the visible ones that exist too, so that fast scrolling shows no gap. */
const OVERSCAN = 8;

/** The rows of a long list that must exist. Renders again only when they change. */
export function useVisibleRows(
  scroller: RefObject<HTMLElement>,
  count: number,
  rowHeight: number,
): { first: number; end: number; scrollTo: (row: number) => void } {
  const [range, setRange] = useState({ first: 0, end: Math.min(count, 60) });
  const measure = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    // Steps of several rows, so that not every row scrolled renders.
    const step = OVERSCAN / 2;
    const top = Math.floor(element.scrollTop / rowHeight / step) * step;
    const visible = Math.ceil(element.clientHeight / rowHeight / step) * step + step;
    const first = Math.max(0, Math.min(top, count) - OVERSCAN);
    const end = Math.min(count, top + visible + OVERSCAN);
    setRange((old) => (old.first === first && old.end === end ? old : { first, end }));
  }, [count, rowHeight]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    measure();
    element.addEventListener("scroll", measure, { passive: true });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => {
      element.removeEventListener("scroll", measure);
      observer.disconnect();
    };
  }, [measure]);
  const scrollTo = useCallback(
    (row: number) => {
      const element = scroller.current;
      if (!element || row < 0) return;
      const header = element.querySelector<HTMLElement>("[data-sticky]")?.offsetHeight ?? 0;
      const top = row * rowHeight;
      if (top < element.scrollTop) element.scrollTop = top;
      else if (top + rowHeight > element.scrollTop + element.clientHeight - header)
        element.scrollTop = top + rowHeight - element.clientHeight + header;
    },
    [rowHeight],
  );
  return { first: Math.min(range.first, count), end: Math.min(range.end, count), scrollTo };
}

export type Theme = "auto" | "light" | "dark";

/** The theme that the reader chose; kept where the browser allows it. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState<Theme>(() => {
    try {
      const kept = localStorage.getItem("hopspan.theme");
      return kept === "light" || kept === "dark" ? kept : "auto";
    } catch {
      return "auto";
    }
  });
  useLayoutEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      if (theme === "auto") localStorage.removeItem("hopspan.theme");
      else localStorage.setItem("hopspan.theme", theme);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  }, [theme]);
  return [theme, setTheme];
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === "" ? "hopspan" : `${title} · hopspan`;
  }, [title]);
}
