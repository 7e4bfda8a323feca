/** The frame of all views: navigation, sets, theme, help, and what is wrong. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ComparisonView } from "./comparison";
import { Help } from "./help";
import { NARROW, useKeys, useMedia, useRoute, useTheme, type Theme } from "./hooks";
import { MapView } from "./map";
import type { TraceSet } from "./model";
import { asSourceError, useRows, useSets } from "./polling";
import { href } from "./route";
import type { Source } from "./source";
import { TraceListView } from "./trace_list";
import { TraceLoader } from "./trace";
import { counted, dateAndClock } from "./format";

export function App({ source }: { source: Source }) {
  const route = useRoute();
  const [generation, setGeneration] = useState(0);
  const sets = useSets(source, generation);
  const set = route.set ?? sets.value?.[0]?.id ?? null;
  const rows = useRows(source, set);
  const [help, setHelp] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const narrow = useMedia(NARROW);
  useKeys((event) => {
    if (event.key === "?") setHelp(true);
    else if (event.key === "/" && route.view !== "traces") {
      event.preventDefault();
      location.hash = href("traces", { set: route.set, focus: 1 });
    }
  });
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    main.current?.scrollTo(0, 0);
    // The view scrolls, not the document: without focus, keys would not scroll it.
    if (document.activeElement === document.body) main.current?.focus({ preventScroll: true });
  }, [route.view, route.trace]);

  const openFiles = async (files: Iterable<File>) => {
    setProblem(null);
    for (const file of files) {
      try {
        const opened = await source.open(file);
        setGeneration((old) => old + 1);
        location.hash = href("traces", { set: opened.id });
      } catch (caught) {
        setProblem(`${file.name} was not opened: ${asSourceError(caught).message}`);
      }
    }
  };
  const closeSet = async (id: string) => {
    try {
      await source.close(id);
      setGeneration((old) => old + 1);
      location.hash = href("traces");
    } catch (caught) {
      setProblem(`It was not closed: ${asSourceError(caught).message}`);
    }
  };

  const gone = [sets.error, rows.error].find((error) => error?.gone);
  const failed = gone ?? rows.error ?? sets.error;
  const shared = { source, set, sets: sets.value ?? [], params: route.params };
  return (
    <div
      class="app"
      onDragOver={(event) => source.live && event.dataTransfer?.types.includes("Files") && event.preventDefault()}
      onDrop={(event) => {
        if (!source.live || !event.dataTransfer?.files.length) return;
        event.preventDefault();
        void openFiles(event.dataTransfer.files);
      }}
    >
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to the content</a>
      <header class="top">
        <a class="brand" href={href("traces", { set: route.set })} aria-label="hopspan, traces">
          <svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true">
            <rect class="logoApplication" x="0" y="5" width="8" height="6" />
            <rect class="logoDataPlane" x="9.5" y="5" width="1.5" height="6" />
            <rect class="logoDataPlane" x="12" y="5" width="1.5" height="6" />
            <rect class="logoDataPlane" x="14.5" y="5" width="1.5" height="6" />
          </svg>
          <b>hopspan</b>
        </a>
        <nav aria-label="Views">
          <NavLink here={route.view === "traces" || route.view === "trace"} to={href("traces", { set: route.set })}>Traces</NavLink>
          <NavLink here={route.view === "compare"} to={href("compare", { set: route.set })}>{narrow ? "Compare" : "Comparison"}</NavLink>
          <NavLink here={route.view === "map"} to={href("map", { set: route.set })}>Map</NavLink>
        </nav>
        <div class="tools">
          <SetPicker {...shared} view={route.view} onClose={closeSet} />
          {source.live && <FileButton onFiles={openFiles} />}
          <ThemeButton />
          <button type="button" class="quiet" onClick={() => setHelp(true)} aria-label="Help and keys" title="Help and keys (?)">?</button>
        </div>
      </header>
      <div class="notices" aria-live="polite">
        {gone && <p class="notice bad"><b>hopspan view does not answer.</b> What is shown is the last that it sent. Trying again every 3 seconds.</p>}
        {!gone && failed && route.view !== "trace" && <p class="notice bad">{failed.message}</p>}
        {problem && <p class="notice bad">{problem} <button type="button" class="quiet" onClick={() => setProblem(null)}>Dismiss</button></p>}
        {source.created !== null && <p class="notice">A report, made {dateAndClock(Date.parse(source.created))}. Only the slowest and the failed traces can be opened.</p>}
        {(rows.value?.losses ?? []).map((loss) => <p class="notice warn" key={loss}>{loss}</p>)}
      </div>
      <main id="main" ref={main} tabIndex={-1} class={`view ${route.view}`}>
        {route.view === "traces" && <TraceListView {...shared} rows={rows.value} gone={!!gone} onFiles={openFiles} />}
        {route.view === "trace" && set !== null && route.trace !== null && (
          <TraceLoader key={`${set}/${route.trace}`} {...shared} set={set} trace={route.trace} rows={rows.value} />
        )}
        {route.view === "compare" && <ComparisonView {...shared} />}
        {route.view === "map" && <MapView {...shared} />}
        {route.view === "notFound" && <div class="empty"><h1>Not found</h1><p>This address is none of the page's. <a href={href("traces")}>All traces</a></p></div>}
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
    </div>
  );
}

function NavLink({ here, to, children }: { here: boolean; to: string; children: string }) {
  return <a href={to} aria-current={here ? "page" : undefined}>{children}</a>;
}

interface SetPickerProps {
  source: Source;
  set: string | null;
  sets: TraceSet[];
  view: string;
  onClose: (id: string) => void;
}

/** The comparison chooses its sets itself. */
function SetPicker({ source, set, sets, view, onClose }: SetPickerProps) {
  if (sets.length < 2 || view === "compare") return null;
  return (
    <span class="set">
      <select
        aria-label="Recording"
        value={set ?? ""}
        onChange={(event) => { location.hash = href(view === "map" ? "map" : "traces", { set: event.currentTarget.value }); }}
      >
        {sets.map((one) => <option key={one.id} value={one.id}>{one.name} ({counted(one.traces, "trace")})</option>)}
      </select>
      {source.live && set !== null && set !== "live" && (
        <button type="button" class="quiet" aria-label="Close this recording" title="Close this recording" onClick={() => onClose(set)}>✕</button>
      )}
    </span>
  );
}

export function FileButton({ onFiles }: { onFiles: (files: Iterable<File>) => void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="quiet" onClick={() => input.current?.click()} title="Open a file of OTLP/JSON">Open…</button>
      <input
        ref={input} type="file" hidden multiple accept=".json,.jsonl,.ndjson" aria-label="Files of OTLP/JSON"
        onChange={(event) => {
          onFiles([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

const NEXT_THEME: Record<Theme, Theme> = { auto: "dark", dark: "light", light: "auto" };
const THEME_SIGN: Record<Theme, string> = { auto: "◐", dark: "●", light: "○" };

function ThemeButton() {
  const [theme, setTheme] = useTheme();
  const label = `Theme: ${theme === "auto" ? "as the system" : theme}`;
  return (
    <button type="button" class="quiet" aria-label={label} title={label} onClick={() => setTheme(NEXT_THEME[theme])}>
      <span aria-hidden="true">{THEME_SIGN[theme]}</span>
    </button>
  );
}
