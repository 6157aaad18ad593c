// What other platforms write into pages and cookies, in our words. Any doubt is no, or marketing, which is asked for most.

import { owners, parsed } from "../auto.js";
import { byId, choosable, config, details, gpc } from "../config.js";
import { valuesOf } from "../cookies.js";

const RANKS = ["necessary", "functional", "analytics", "marketing"];
const OPTIONAL = RANKS.slice(1);
const ONETRUST = ["marketing", "necessary", "analytics", "functional"]; // C0004, targeting, and all from there: marketing

// Names that platforms give to services, where they are not the catalogue's; without spaces and signs.
const ALIASES = {
  ga: "ga4", gtag: "ga4", bingads: "uet", microsoftads: "uet", microsoftadvertising: "uet", facebookpixel: "meta", fbpixel: "meta",
  googleadwords: "gads", googleadsconversiontracking: "gads", linkedininsight: "linkedin", hotjaranalytics: "hotjar",
  youtubevideo: "youtube", vimeovideo: "vimeo", googlemaps: "gmaps", microsoftclarity: "clarity",
};

const meaning = (word) => {
  if (RANKS.includes(word)) return word;
  if (/^(statistics|performance|measurement)$/.test(word)) return "analytics";
  return /^(preferences|functionality)$/.test(word) ? "functional" : "marketing";
};

const ofGroup = (group) => ONETRUST[/^C?0*([0-3])$/.exec(group)?.[1] || 0];

// A category of somebody's own is only known as one by what such categories are called; any other word may be a slip.
const CATEGORY = /^(re)?(ads?\b|ads?_|advert|chat|content|embed|experience|extern|func|insight|maps|market|measur|media|perform|person|pref|secur|social|stat|support|target|third|track|video)/;

const plain = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "");
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

const named = (label) => config.trackers.find(({ id, name }) =>
  [id, name, name.replace(/\d+$/, "")].some((one) => plain(one) === plain(label)) || ALIASES[plain(label)] === id);

const atAddress = (address) => (parsed(address) ? owners(parsed(address)) : []);

// A snippet makes its own address: every tracker that it names has a say.
const written = (pattern) => new RegExp((pattern.startsWith("*") ? "" : "(?<![\\w.-])") + escaped(pattern.replace("*", ""))
  + (/\w$/.test(pattern) ? "(?![\\w-])" : ""));
const inCode = (code) => config.trackers.filter(({ hosts = [], paths = [] }) => [...hosts, ...paths].some((one) => written(one).test(code)));

// -- tags

const sources = (tag) => ["src", "cookieblockSrc", "ucSrc", "href"].map((key) => tag.dataset[key])
  .concat(tag.localName === "script" && tag.getAttribute("src")).filter(Boolean);

// The categories and names that are on the tag, of whichever platform. Undefined for one of our own, or of nobody.
const labels = (tag) => {
  const { cookieconsent, name, usercentrics, ucSrc, service, category, needs } = tag.dataset;
  const ours = byId(service ? config.trackers : config.categories, service || category);
  if (needs || ours) return;
  const classes = [...tag.classList].filter((one) => one.startsWith("optanon-category-"));
  const words = [
    ...(cookieconsent?.toLowerCase().split(",").map((word) => meaning(word.trim())) || []),
    ...classes.flatMap((one) => one.slice(17).split("-").map(ofGroup)),
  ];
  const services = [name, usercentrics, service].filter(Boolean);
  if (category ? !byId(config.categories, category) && !CATEGORY.test(category) : !words.length && !services.length && !ucSrc) return;
  // A tag with `!` is for who refuses. What has the form of our ids, and is none, never runs: it names what nobody was told of.
  if (service && (service.startsWith("!") || (/^[a-z0-9_-]+$/.test(service) && !named(service)))) return;
  if (category) words.push(meaning(category));
  return { words, services: services.length || words.length ? services : [""] };
};

// All that has to be allowed: the label's categories, but for those that a tracker of the tag asks for as much.
const needsOf = (tag) => {
  const found = labels(tag);
  if (!found) return;
  const { words, services } = found;
  const addresses = sources(tag);
  const certain = addresses.flatMap(atAddress);
  const known = services.map(named);
  if (known.includes(undefined) && !certain.length) words.push("marketing");
  const trackers = new Set([...certain, ...known.filter(Boolean), ...(addresses.length ? [] : inCode(tag.text || ""))]);
  const highest = Math.max(...[...trackers].map(({ category }) => RANKS.indexOf(category)));
  return [...new Set(words.filter((one) => RANKS.indexOf(one) > highest)), ...[...trackers].map(({ id }) => id)];
};

// Lazy images have data-name and data-src too: what is no frame and no tracker of the site is not touched, so stays as it is.
const isOther = (tag, needs) => tag.matches("img,link") && tag.dataset.name && needs.every((one) => RANKS.includes(one));

const translateTag = (tag) => {
  const needs = needsOf(tag);
  if (!needs || isOther(tag, needs)) return;
  const { dataset } = tag;
  dataset.src ||= dataset.cookieblockSrc || dataset.ucSrc || "";
  if (!dataset.src) delete dataset.src;
  delete dataset.cookieblockSrc;
  delete dataset.ucSrc;
  delete dataset.service;
  delete dataset.category;
  const [one, ...more] = needs;
  dataset[byId(config.trackers, one) ? "service" : "category"] = one;
  if (more.length) dataset.needs = needs.join(" ");
};

const MARKED = ":is([data-cookieconsent],[class*=optanon-category-],[data-name],[data-usercentrics],[data-uc-src],[data-service],[data-category])";
const HELD = ":is(script[type='text/plain'],template,[data-src]:not(script),[data-href],[data-cookieblock-src],[data-uc-src])";

const translate = () => document.querySelectorAll(HELD + MARKED).forEach(translateTag);

// -- cookies: {at, granted, trackers}: when, which categories, which trackers in others; at is undefined for what has no date

// Two of one name contradict each other: neither counts.
const only = (name) => {
  const [value, other] = valuesOf(name);
  return other === undefined && value ? decodeURIComponent(value) : undefined;
};

// A category is granted when all that the other platform had in it was.
const grants = (answers) => Object.fromEntries(OPTIONAL.map((category) => {
  const own = answers.filter(([name]) => name === category);
  return [category, own.length > 0 && own.every(([, granted]) => granted)];
}));

const cookiebot = () => {
  const [, ...said] = /^\{stamp:'[^']*',necessary:true,preferences:(true|false),statistics:(true|false),marketing:(true|false),method:'explicit',ver:\d+,utc:(\d{13})(,[^{}]*)?\}$/
    .exec(only("CookieConsent"));
  return { at: +said[3], granted: grants(OPTIONAL.map((category, at) => [category, said[at] === "true"])) };
};

// The cookie is there before anybody answered; that the banner was closed, and when, stands in another.
const onetrust = () => {
  const said = new URLSearchParams(valuesOf("OptanonConsent").length === 1 && valuesOf("OptanonConsent")[0]);
  if (said.get("AwaitingReconsent") === "true" || said.get("interactionCount") === "0") return;
  const groups = decodeURIComponent(said.get("groups")).split(",").map((one) => /^([\w-]+):([01])$/.exec(one));
  return { at: moment(only("OptanonAlertBoxClosed")), granted: grants(groups.map(([, group, on]) => [ofGroup(group), on === "1"])) };
};

const moment = (text) => (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) ? Date.parse(text) : NaN);

// Of a category whose services were asked for one by one only those are granted that were named; it says nothing of the others.
const orestbida = () => {
  const { categories, services = {}, expirationTime = Infinity, ...said } = JSON.parse(only("cc_cookie"));
  if (expirationTime < Date.now()) return;
  const at = moment(said.lastConsentTimestamp || said.last_consent_update || said.consentTimestamp);
  const accepted = categories.flatMap((name) => services[name] || []).map((label) => named(label)?.id);
  const whole = (category) => !services[category]?.length
    || choosable().filter((one) => one.category === meaning(category)).every(({ id }) => accepted.includes(id));
  const names = [...new Set([...categories, ...Object.keys(services)])];
  return {
    at,
    granted: grants(names.map((name) => [meaning(name), categories.includes(name) && whole(name)])),
    trackers: Object.fromEntries(accepted.filter(Boolean).map((id) => [id, true])),
  };
};

// Its cookie has no date, and a grant that can not be dated is none. A refusal of everything needs no proof.
const klaro = () => {
  const answers = Object.values(JSON.parse(only("klaro")));
  return answers.length && answers.every((one) => one === false) && { at: undefined, granted: {} };
};

const read = (reader) => {
  try {
    const found = reader();
    return found && !Number.isNaN(found.at) && found;
  } catch {} // not there, or not in that platform's words
};

// GPC speaks after them, and against it nobody said anything here (I1).
const said = ({ at, granted, trackers = {} }) => {
  const may = (category) => category !== "marketing" || !gpc();
  const choices = Object.fromEntries(OPTIONAL.map((one) => [one, granted[one] === true && may(one)]));
  const apart = choosable().filter(({ id, category }) => trackers[id] && !choices[category] && may(category));
  const answers = Object.values(choices);
  const some = answers.includes(true) || apart.length > 0;
  return {
    action: answers.every(Boolean) ? "accept_all" : some ? "custom" : "necessary_only",
    variant: undefined, // it was not an experiment's banner that was answered
    choices, trackers: Object.fromEntries(apart.map(({ id }) => [id, true])),
    ...(at && { decided_at: new Date(at).toISOString() }),
  };
};

// The last word of the visitor counts; one without a date is a refusal, and comes first.
const choice = () => {
  const [last] = [cookiebot, onetrust, orestbida, klaro].map(read).filter(Boolean).sort((a, b) => (b.at ?? Infinity) - (a.at ?? Infinity));
  return last && said(last);
};

// By their names the trackers are known to the other platforms, and names come with the explanations.
export const switching = async () => {
  await details();
  return { choice, translate };
};
