// Writes mathjs.min.js and the licences of what is in it into the folder given, or into the package's own.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] ?? join(here, "../../src/thalweg/playground/vendor");
const folder = (name) => join(here, "node_modules", name);
const manifest = (name) => JSON.parse(readFileSync(join(folder(name), "package.json"), "utf8"));

const { outputFiles, metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["entry.mjs"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "mathjs",
  target: "es2020",
  charset: "ascii",
  legalComments: "none",
  metafile: true,
  write: false,
});

const parts = Object.entries(Object.values(metafile.outputs)[0].inputs).filter(([, { bytesInOutput }]) => bytesInOutput);
const inside = parts.map(([path]) => path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]);
const packages = [...new Set(inside.filter(Boolean))].sort((a, b) => (b === "mathjs") - (a === "mathjs") || (a < b ? -1 : 1));
const credits = packages.map((name) => `${name} ${manifest(name).version} (${manifest(name).license})`).join(", ");
const text = `/* Parts of ${credits}; their licences stand in LICENSES.txt. Built by tools/mathjs. */\n${outputFiles[0].text}`;
for (const forbidden of [/<\/script/i, /<!--/, /\beval\(/, /\bFunction\(/, /\bimport\(/, /\bfetch\(/, /XMLHttpRequest/]) {
  if (forbidden.test(text)) throw new Error(`the bundle contains ${forbidden}`);
}

function licences(name) {
  const files = readdirSync(folder(name)).filter((file) => /^(notice|licen[cs]e)/i.test(file)).sort().reverse();
  if (!files.length) throw new Error(`${name} carries no licence`);
  return files.map((file) => {
    const content = readFileSync(join(folder(name), file), "utf8").replace(/\r/g, "").trimEnd();
    return `${"=".repeat(80)}\n${name}: ${file}\n${"=".repeat(80)}\n\n${content}\n`;
  }).join("\n");
}

mkdirSync(target, { recursive: true });
writeFileSync(join(target, "mathjs.min.js"), text);
writeFileSync(join(target, "LICENSES.txt"), packages.map(licences).join("\n"));
console.log(`${credits}: ${text.length} bytes`);
