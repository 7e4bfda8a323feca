/** Starts the page. */

import { render } from "preact";
import { App } from "./app";
import { findSource, type Source } from "./source";

const root = document.getElementById("page");
if (root) {
  let source: Source | null = null;
  try {
    source = findSource();
  } catch (error) {
    root.textContent = `The report in this page cannot be read: ${String(error)}`;
  }
  if (source) render(<App source={source} />, root);
}
