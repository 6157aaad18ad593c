// Builds poort.js out of src/: one script with its style sheet in it. `--check` builds and compares, for CI.

import { build, transform } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const target = ["chrome114", "edge114", "firefox117", "safari16.6"];
const PLACEHOLDER = "__POORT_CONFIG__";

// The id twice beats a site's own selectors with one id in them, and !important all that is not (B4 holds in a hostile page).
const own = (selector) => (selector.startsWith("#poort") ? "#poort" + selector : `#poort#poort ${selector}`);
const strong = (declarations) => declarations.split(";").map((one) => one + "!important").join(";");
const fortify = (css) => css.replace(/([^{}]+)\{([^{}]*)\}/g, (_, selectors, declarations) =>
  `${selectors.split(",").map(own).join()}{${strong(declarations)}}`);

const styles = {
  name: "styles",
  setup: ({ onLoad }) => onLoad({ filter: /\.css$/ }, async ({ path }) => {
    const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, target });
    return { contents: fortify(code.trim()), loader: "text" };
  }),
};

const { outputFiles: [{ contents }] } = await build({
  entryPoints: [here("src/main.js")], bundle: true, minify: true, format: "iife", target, charset: "utf8", legalComments: "none",
  plugins: [styles], write: false,
});
const script = Buffer.from(contents);

if (script.toString().split(PLACEHOLDER).length !== 2) throw new Error(`${PLACEHOLDER} has to occur exactly once`);
if (process.argv.includes("--check")) {
  if (!script.equals(await readFile(here("poort.js")))) throw new Error("poort.js is not what src/ builds: run npm run build");
} else {
  await writeFile(here("poort.js"), script);
}
const small = brotliCompressSync(script, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: script.length } });
console.log(`poort.js: ${script.length} bytes, ${small.length} with brotli 11`);
