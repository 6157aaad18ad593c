// What the script knows of the site: the version that the server baked in, or fetches; and the words in the page's language.

const tag = document.currentScript || document.querySelector("script[data-site],script[src*='/banner/']");
const data = tag?.dataset || {};
const endpoint = (data.endpoint || new URL(tag?.src || location).origin).replace(/\/$/, "");

// The server writes the site's config in the place of this name, or null.
export let config = __POORT_CONFIG__;

const pageLanguage = () => document.documentElement.lang.toLowerCase().split("-")[0];

// No cookies travel, and a server that hangs counts as one that is down.
export const call = (path, options) => fetch(`${endpoint}/v1/sites/${config?.site || data.site}/${path}`,
  { credentials: "omit", signal: AbortSignal.timeout?.(15e3), ...options });

export const load = async () => {
  if (config) return;
  const answer = await call("config?lang=" + pageLanguage());
  if (answer.ok) config = await answer.json();
};

// B12: the page's language when the site has it, else the site's own; never half of each.
const other = () => config.others?.[pageLanguage()];
export const language = () => (other() ? pageLanguage() : config.language);
export const direction = () => (/^(ar|dv|fa|he|ps|ur|yi)/.test(language()) ? "rtl" : "ltr");

export const text = (key, values) => {
  const texts = (other() || config).texts;
  return texts[key].replace(/\{(\w+)\}/g, (_, name) =>
    values?.[name] ?? (name === "controller" ? config.controller.name : texts[name]));
};
export const wordsOf = (category) => other()?.categories[category.id] || category;
export const purposeOf = (tracker) => other()?.trackers[tracker.id] || tracker.purpose;

export const categoryOf = (id) => config.categories.find((category) => category.id === id);
export const trackerOf = (id) => config.trackers.find((tracker) => tracker.id === id);
export const needsConsent = (tracker) => tracker.category !== "necessary" && !tracker.exempt;
export const asked = () => config.categories.filter((category) => category.asked);
export const forChildren = () => config.audience === "children";

// The server refuses any other name, and a decision may not be lost to a slip in a page.
export const pageGroup = () => {
  const name = data.pageGroup || document.querySelector("meta[name=poort-page-group]")?.content;
  return /^[\w-]{1,64}$/.test(name || "") ? name : null;
};

// I1, I2: exactly true, as the browser says it.
export const gpc = () => config.signals.gpc && navigator.globalPrivacyControl === true;
