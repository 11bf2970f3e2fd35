// Formats the Lua of this client with StyLua's WebAssembly build, or with --check says what is not formatted.
// npm brings it, so that nothing else is downloaded. Reads stylua.toml's few keys itself; the build has no file access.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Config, IndentType, OutputVerification, QuoteStyle, formatCode } from "@johnnymorganz/stylua";

const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");

const wanted = Object.fromEntries(
  [...readFileSync(join(root, "stylua.toml"), "utf8").matchAll(/^(\w+) = "?([^"\n]+)"?$/gm)].map((m) => [m[1], m[2]]),
);

/** Formatting uses a configuration up, so each file gets its own. */
function configuration() {
  const config = Config.new();
  config.column_width = Number(wanted.column_width);
  config.indent_type = IndentType[wanted.indent_type];
  config.indent_width = Number(wanted.indent_width);
  config.quote_style = QuoteStyle[wanted.quote_style];
  return config;
}

const files = readdirSync(root, { recursive: true })
  .map((name) => join(root, name))
  .filter((path) => path.endsWith(".lua") && !path.includes("node_modules"))
  .sort();

let different = 0;
for (const path of files) {
  const text = readFileSync(path, "utf8");
  const formatted = formatCode(text, configuration(), undefined, OutputVerification.Full);
  if (formatted === text) continue;
  different += 1;
  if (check) console.error(`${relative(process.cwd(), path)} is not formatted; run: make format`);
  else writeFileSync(path, formatted);
}
process.exitCode = check && different ? 1 : 0;
