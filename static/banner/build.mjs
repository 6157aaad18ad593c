// Builds out of src/: poort.js, with its style sheet in it; extra.js, the second script; and signals.json, the adapters that a
// site may need. `--check` builds and compares, for CI.

import { build, transform } from "esbuild";
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { minify } from "terser";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const target = ["chrome114", "edge114", "firefox117", "safari16.6"];
const PLACEHOLDERS = ["__POORT_CONFIG__", "__POORT_SIGNALS__"];

// The id twice beats a site's own selectors with one id in them, and !important all that is not (B4 holds in a hostile page).
// Nested, it is there once; the script puts !important behind each declaration itself. A placeholder carries its own weight.
const short = (css) => css.replace(/--(\w)\w*(:)? ?/g, "--$1$2"); // --card: becomes --c:
const inner = (css) => css.replace(/([^{}]+)\{([^{}]*)\}/g, (_, selectors, declarations) => (selectors === "#poort"
  ? `${declarations};`
  : `${selectors.split(",").map((one) => one.replace("#poort", "&").replace(/^(?=\w)/, "& ")).join()}{${declarations}}`));
const fortify = (css) => (/^\[data-poort=embed\]/.test(css) ? css : `#poort#poort{${inner(css)}}`);

const styles = async (path) => {
  const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, target });
  return fortify(short(code.trim()));
};

// What the second script imports of the first, by module: {"config.js": ["config", "text"]}.
const shared = async () => {
  const found = {};
  for (const name of await readdir(here("src/extra"))) {
    const text = await readFile(here("src/extra/" + name), "utf8");
    for (const [, names, module] of text.matchAll(/import \{([^}]*)\} from "\.\.\/(\w+\.js)"/g)) {
      found[module] = [...new Set([...(found[module] ?? []), ...names.split(",").map((one) => one.trim()).filter(Boolean)])].sort();
    }
  }
  return found;
};

// The first hands those over in an array, in this order; the second takes them for its imports.
const given = (imports) => Object.entries(imports).map(([module, names]) => `import { ${names} } from "./${module}";`).join("\n")
  + `export const api = () => [${Object.values(imports).flat()}];`;
const taken = (imports, module) => {
  const order = Object.entries(imports).flatMap(([from, names]) => names.map((name) => [from, name]));
  return order.map(([from, name], at) => (from === module ? `export const ${name} = POORT_CORE[${at}];` : "")).join("");
};

const plugin = (imports) => ({
  name: "poort",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^core$/ }, ({ path }) => ({ path, namespace: "core" }));
    onLoad({ filter: /.*/, namespace: "core" }, () => ({ contents: given(imports), resolveDir: here("src") }));
    onResolve({ filter: /^\.\.\/\w+\.js$/ }, ({ path }) => ({ path: basename(path), namespace: "taken" }));
    onLoad({ filter: /.*/, namespace: "taken" }, ({ path }) => ({ contents: taken(imports, path) }));
    onLoad({ filter: /\.css$/ }, async ({ path }) => ({ contents: await styles(path), loader: "text" }));
  },
});

const bundle = async (entry, imports) => {
  const { outputFiles: [{ text }] } = await build({
    entryPoints: [here(entry)], bundle: true, minifySyntax: true, format: "esm", target, charset: "utf8", write: false, plugins: [plugin(imports)],
  });
  return text;
};

// esbuild's own minifier leaves 5 % more after compression.
const small = async (code) => {
  const { code: text } = await minify(`export default ${code}`, {
    module: true, ecma: 2020, compress: { passes: 3, unsafe_arrows: true, keep_fargs: false, pure_getters: true, inline: 1, unsafe: true },
  });
  return text.replace("export default", "").replace(/;$/, "");
};

const imports = await shared();
const extra = Buffer.from(`document.currentScript.poort(${await small(`(POORT_CORE) => {let POORT_OUT;${await bundle("src/extra/index.js", imports)};return POORT_OUT}`)});`);
const digest = createHash("sha256").update(extra).digest();
const known = JSON.stringify({ name: `extra-${digest.toString("hex").slice(0, 8)}`, integrity: `sha256-${digest.toString("base64")}` });

// {google: "(now, before) => ..."}: each file is one function, and imports nothing.
const adapters = {};
for (const file of (await readdir(here("src/signals"))).sort()) {
  const text = await readFile(here("src/signals/" + file), "utf8");
  adapters[basename(file, ".js")] = await small(text.slice(text.indexOf("export default ") + 15));
}
const parts = Buffer.from(JSON.stringify(adapters, null, 1) + "\n");

// The script is a function of its config, its style sheet and its adapters: behind the code they compress best.
const code = await small(`(POORT_SIGNALS, POORT_CONFIG, POORT_CSS) => {const POORT_EXTRA = ${known};${await bundle("src/main.js", imports)}}`);
const [config, signals] = PLACEHOLDERS;
const script = Buffer.from(`(${code})(${signals},${config},${JSON.stringify(await styles(here("src/poort.css")))});`);

for (const one of PLACEHOLDERS) if (script.toString().split(one).length !== 2) throw new Error(`${one} has to occur exactly once`);
for (const [name, bytes] of [["poort.js", script], ["extra.js", extra], ["signals.json", parts]]) {
  if (!process.argv.includes("--check")) await writeFile(here(name), bytes);
  else if (!bytes.equals(await readFile(here(name)))) throw new Error(`${name} is not what src/ builds: run make banner`);
  console.log(`${name}: ${bytes.length} bytes, ${brotliCompressSync(bytes).length} with brotli 11`);
}
