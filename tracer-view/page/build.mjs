// Builds dist/ from src/. `--check` builds in memory and compares: dist/ is checked in, and users
// build nothing. The same sources give the same bytes: no date, no path, no source map.
import { build } from "esbuild";
import { readFile, mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

const result = await build({
  absWorkingDir: here,
  entryPoints: { page: "src/main.tsx", "page.css": "src/page.css" },
  entryNames: "[name]",
  outdir: "dist",
  bundle: true,
  format: "iife",
  // The report writes the script into HTML: ASCII only, and esbuild escapes `</script`.
  charset: "ascii",
  target: ["chrome109", "firefox115", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: true,
  legalComments: "none",
  banner: { js: `/*\nPreact is in this file. ${await readFile(here + "node_modules/preact/LICENSE", "utf8")}*/` },
  write: false,
});

const files = new Map(
  result.outputFiles.map((file) => [file.path.split("/").pop().replace("page.css.css", "page.css"), file.text]),
);
files.set("index.html", await readFile(here + "src/index.html", "utf8"));

const script = files.get("page.js");
const style = files.get("page.css");
if (/<\/script|<!--/i.test(script)) throw new Error("page.js cannot be written into HTML");
if (/<\//.test(style)) throw new Error("page.css cannot be written into HTML");
if (/[^\x00-\x7f]/.test(script + style)) throw new Error("page.js or page.css is not ASCII");

if (process.argv.includes("--check")) {
  for (const [name, text] of files) {
    const kept = await readFile(`${here}dist/${name}`, "utf8").catch(() => "");
    if (kept !== text) throw new Error(`dist/${name} is not what src/ gives: npm run build`);
  }
} else {
  await mkdir(here + "dist", { recursive: true });
  for (const [name, text] of files) await writeFile(`${here}dist/${name}`, text);
}
for (const [name, text] of files) console.log(`${name} ${Buffer.byteLength(text)} bytes`);
