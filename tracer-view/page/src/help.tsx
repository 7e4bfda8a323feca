/** The `?` dialog: how to read the page, its keys, its search language. */

import { useEffect, useRef } from "preact/hooks";
import { Swatch } from "./bar";
import { SEARCH_HELP } from "./search";

const KEYS: readonly [keys: string, meaning: string][] = [
  ["j k, ↓ ↑", "next, previous row"],
  ["Enter", "open the trace; a span: its attributes"],
  ["→ ←", "unfold, fold a span"],
  ["z, 0", "zoom to the span, back to the whole trace"],
  ["+ −", "zoom in, zoom out; or drag over the bars"],
  ["h", "unfold all hops, fold them again"],
  ["/", "search"],
  ["Esc", "close; back to the traces"],
  ["?", "this help"],
];

export function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={onClose} onClick={(event) => event.target === dialog.current && dialog.current?.close()}>
      <div class="helpBody">
        <div class="helpTop">
          <h2 id="help-title">How to read this page</h2>
          <button type="button" class="quiet" onClick={() => dialog.current?.close()}>Close</button>
        </div>
        <p>
          A trace has the spans that the application made (<Swatch kind="application" /> plain), and those that hopspan made of
          the data plane below it (<Swatch kind="dataPlane" /> hatched): a connection that was opened, the way of each request to
          the server, and the way of its response back. Each way is divided into hops without a gap: sockets, veths, bridges,
          netfilter's hooks, the wire, and the queue in which a message waits until the application reads it.
        </p>
        <p>The two numbers on top divide the time of the trace: what is not the data plane's is the application's.</p>
        <h3>Keys</h3>
        <dl class="keys">{KEYS.map(([keys, meaning]) => <div key={keys}><dt><kbd>{keys}</kbd></dt><dd>{meaning}</dd></div>)}</dl>
        <h3>Search</h3>
        <dl class="keys">{SEARCH_HELP.map(([example, meaning]) => <div key={example}><dt><code>{example}</code></dt><dd>{meaning}</dd></div>)}</dl>
      </div>
    </dialog>
  );
}
