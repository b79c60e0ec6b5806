// Builds ../static/cardhour/app.css and app.js. With --check it builds in memory and fails when
// the committed files differ, so that what is served is always what the sources say.
import { readFile, writeFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { compile, optimize } from "@tailwindcss/node";
import { Scanner } from "@tailwindcss/oxide";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "static", "cardhour");

async function buildStyles() {
  const entry = join(here, "src", "app.css");
  const compiler = await compile(await readFile(entry, "utf8"), {
    base: dirname(entry),
    from: entry,
    onDependency: () => {},
  });
  const candidates = new Scanner({ sources: compiler.sources }).scan();
  // Sorted, so that the order in which files are found on a disk cannot change the bundle.
  return optimize(compiler.build(candidates.sort()), { minify: true }).code;
}

async function buildScript() {
  const result = await esbuild.build({
    entryPoints: [join(here, "src", "app.js")],
    bundle: true,
    format: "iife",
    legalComments: "none",
    minify: true,
    target: "es2022",
    write: false,
  });
  return result.outputFiles[0].text;
}

const built = { "app.css": await buildStyles(), "app.js": await buildScript() };
let total = 0;
let stale = [];
for (const [name, text] of Object.entries(built)) {
  const path = join(target, name);
  const compressed = gzipSync(text, { level: 9 }).length;
  total += compressed;
  console.log(`${name}: ${text.length} bytes, ${compressed} compressed`);
  if (process.argv.includes("--check")) {
    const committed = await readFile(path, "utf8").catch(() => "");
    if (committed !== text) stale.push(name);
  } else {
    await mkdir(target, { recursive: true });
    await writeFile(path, text);
  }
}
console.log(`together: ${total} bytes compressed`);
if (total > 60_000) {
  console.error("The bundle has grown past 60 kB compressed.");
  process.exitCode = 1;
}
if (stale.length) {
  console.error(`Not what the sources build: ${stale.join(", ")}. Run "npm run build" and commit the result.`);
  process.exitCode = 1;
}
