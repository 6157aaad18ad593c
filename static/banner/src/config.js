// What the script knows of the site: the version that the server baked in, or fetches; and the words in the page's language.

const { src, dataset: data, nonce } = document.currentScript;
export { data, nonce };
export const endpoint = data.endpoint || new URL(src).origin;

// The build passes what the server writes into the script: the site's config, or null. Then nothing is known, so nothing allowed, till it came.
export let config = POORT_CONFIG || { trackers: [], categories: [] };

// No cookies travel, and a server that hangs counts as one that is down.
export const call = (path, options) => fetch(`${endpoint}/v1/sites/${config.site || data.site}/${path}`,
  { credentials: "omit", signal: AbortSignal.timeout(15e3), ...options });

// As text, so that no preflight is needed; it goes on when the page is left.
export const post = (path, body) => call(path, { method: "POST", body: JSON.stringify(body), keepalive: true });

// B12: in the page's language when the site has it, else in the site's own; never half of each. What is baked in of another
// language is what every page may need; the rest comes before anything is asked in it.
const translate = (language) => {
  const texts = config.others?.[language];
  if (texts) Object.assign(config, { language, texts, native: { language: config.language, texts: config.texts } });
};

// Puts the words and look of a variant in their place, on sites with an experiment.
const draw = () => POORT_SIGNALS.experiment?.(config);

export const load = async () => {
  const language = document.documentElement.lang.toLowerCase().split("-")[0];
  if (!config.site) config = await (await call("config?lang=" + language)).json();
  draw();
  translate(language);
};

// What only the settings show is half of a config, and most visitors never open them. Of this version, or not at all.
const complete = async () => {
  const answer = await call(`config?lang=${config.language}&version=${config.version}`);
  const whole = await answer.json();
  for (const name of ["trackers", "categories"]) whole[name] = whole[name].map((one, at) => Object.assign(config[name][at], one));
  Object.assign(config, whole);
  draw();
};
let coming;
export const details = async () => config.digest || (coming ||= complete().finally(() => setTimeout(() => (coming = 0), 2e3)));

// Where they can not be had the switches still work (D2), in the site's own language.
export const words = () => details().catch(() => {
  Object.assign(config, config.native);
});

export const text = (key, values) => {
  const known = { ...config.texts, controller: config.controller.name, ...values };
  return config.texts[key]?.replace(/\{(\w+)\}/g, (_, name) => known[name]);
};

export const byId = (rows, id) => rows.find((one) => one.id === id);

// {id: of(row)} for each of the rows.
export const table = (rows, of) => Object.fromEntries(rows.map((row) => [row.id, of(row)]));

export const needsConsent = (tracker) => tracker.category !== "necessary" && !tracker.exempt;
export const choosable = () => config.trackers.filter(needsConsent);
export const inCategory = (id) => choosable().filter((one) => one.category === id);
export const asked = () => config.categories.filter(({ id }) => inCategory(id)[0]);

// A wish: a choice per category, and the trackers that differ from theirs.
export const wish = (wantsCategory, wantsTracker) => {
  const choices = table(asked(), (one) => wantsCategory(one.id));
  return { choices, trackers: table(choosable().filter((one) => wantsTracker(one) !== choices[one.category]), wantsTracker) };
};

// The server refuses any other name, and a decision may not be lost to a slip in a page.
const pageGroup = () => {
  const name = data.pageGroup || document.querySelector("meta[name=poort-page-group]")?.content || "";
  return /^[\w-]{1,64}$/.test(name) ? name : null;
};

// What all that is told says of the page. `variant` is there in an experiment (signals/experiment.js).
export const seen = (more) => ({
  version: config.version, language: config.language, page_group: pageGroup(), variant: config.variant, ...more,
});

// I1, I2: exactly true, as the browser says it.
export const gpc = () => navigator.globalPrivacyControl === true;
