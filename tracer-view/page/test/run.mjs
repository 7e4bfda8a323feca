// Bundles the tests and runs them: node:test, or --serve, or --browser.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const page = fileURLToPath(new URL("..", import.meta.url));
const out = `${page}node_modules/.test`;
const mode = process.argv[2] ?? "--unit";
const entries = {
  "--unit": readdirSync(`${page}test`).filter((name) => name.endsWith(".test.ts")),
  "--serve": ["serve.ts"],
  "--browser": ["browser.ts"],
}[mode];
if (!entries) throw new Error(`unknown: ${mode}`);

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  absWorkingDir: page,
  entryPoints: entries.map((name) => `test/${name}`),
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
  jsx: "automatic",
  jsxImportSource: "preact",
});
const files = entries.map((name) => `${out}/${name.replace(/\.ts$/, ".mjs")}`);
const run = spawnSync(process.execPath, mode === "--unit" ? ["--test", ...files] : files, {
  cwd: page,
  stdio: "inherit",
  env: { ...process.env, PAGE_DIST: `${page}dist` },
});
process.exit(run.status ?? 1);
