// Builds poort.js out of src/: one script with its style sheet in it. `--check` builds and compares, for CI.

import { build, transform } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { minify } from "terser";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const target = ["chrome114", "edge114", "firefox117", "safari16.6"];
const PLACEHOLDER = "__POORT_CONFIG__";

// The id twice beats a site's own selectors with one id in them, and !important all that is not (B4 holds in a hostile page).
const own = (selector) => (selector.startsWith("#poort") ? "#poort" + selector : `#poort#poort ${selector}`);
const short = (css) => css.replace(/--(\w)\w*(:)? ?/g, "--$1$2"); // --card: becomes --c:
const strong = (declarations) => declarations.split(";").map((one) => one + "!important").join(";");
const fortify = (css) => css.replace(/([^{}]+)\{([^{}]*)\}/g, (_, selectors, declarations) =>
  `${selectors.split(",").map(own).join()}{${strong(declarations)}}`);

const styles = async () => {
  const { code } = await transform(await readFile(here("src/poort.css"), "utf8"), { loader: "css", minify: true, target });
  return fortify(short(code.trim()));
};

// The script is a function of its config and its style sheet: behind the code the two compress best.
const code = async () => {
  const { outputFiles: [{ text }] } = await build({
    entryPoints: [here("src/main.js")], bundle: true, minifySyntax: true, format: "esm", target, charset: "utf8", write: false,
  });
  // esbuild's own minifier leaves 5 % more after compression.
  const { code: small } = await minify(`export default (POORT_CONFIG, POORT_CSS) => {${text}}`, {
    module: true, ecma: 2020, compress: { passes: 3, unsafe_arrows: true, keep_fargs: false, pure_getters: true, inline: 1 },
  });
  return small.replace("export default", "").replace(/;$/, "");
};

const script = Buffer.from(`(${await code()})(${PLACEHOLDER},${JSON.stringify(await styles())});`);

if (script.toString().split(PLACEHOLDER).length !== 2) throw new Error(`${PLACEHOLDER} has to occur exactly once`);
if (process.argv.includes("--check")) {
  if (!script.equals(await readFile(here("poort.js")))) throw new Error("poort.js is not what src/ builds: run npm run build");
} else {
  await writeFile(here("poort.js"), script);
}
console.log(`poort.js: ${script.length} bytes, ${brotliCompressSync(script).length} with brotli 11`);
