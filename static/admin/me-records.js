/* The visitor's own page: each record, with what the visitor was shown then, from the frozen version. */
import { country, day, fill, h, lifetime, moment, word } from "./me-words.js";

const CATEGORIES = ["necessary", "functional", "analytics", "marketing"];

const named = (choices, wanted) => Object.keys(choices).filter((name) => choices[name] === wanted);

function allowed({ choices, trackers }) {
  const single = (choice) => named(trackers, choice).map((id) => word(`tracker-${id}`));
  const text = [...named(choices, true).map(word), ...single(true)].join(", ") || word("nothing");
  return single(false).length ? `${text}, ${word("except")} ${single(false).join(", ")}` : text;
}

const results = (names) => names.map(word).join(", ");

/** What the page reported tracker by tracker; the site's own systems are told of all of them at once. */
function step({ source, trackers }) {
  if (source === "webhook") return [`${word("webhook")}: ${results([...new Set(Object.values(trackers).flat())])}`];
  return Object.entries(trackers).map(([id, done]) => `${word(`tracker-${id}`)}: ${results(done)}`);
}

const fact = ([label, text]) => text && [h("dt", {}, word(`label-${label}`)), h("dd", {}, text)];

function facts(record) {
  const shown = record.version_shown;
  return [
    ["allowed", allowed(record)],
    ["trail", record.trail.flatMap(step).join("; ")],
    ["source", word(`source-${record.source}`) + (record.gpc ? `, ${word("gpc")}` : "")],
    ["decided", record.decided_at && moment(record.decided_at)],
    ["kept", [record.browser, record.os, record.device].map((one) => (/^other$/i.test(one) ? word("other") : one)).join(", ")],
    ["version", `${shown.number} (${day(shown.published_at)})`],
    ["reference", record.id],
  ];
}

const kept = ({ cookies, storage }) => [
  ...cookies.map(({ name, duration }) => [name, duration]),
  ...storage.map(({ name, kind }) => [name, kind === "local" ? "persistent" : kind]),
].map(([name, lasts]) => `${name} (${lifetime(lasts)})`).join("; ");

const tracker = (language) => (row) => h("li", {},
  h("strong", {}, row.name), ` (${row.vendor}, ${country(row.country)}, ${word(`role_${row.role}`)})`,
  h("p", { lang: language }, row.purpose[language]),
  (row.transfer || kept(row)) && h("p", { className: "soft" },
    row.transfer && `${word("transfer")} `, kept(row) && `${word("stores")} ${kept(row)}.`));

function category(id, { texts, trackers }, language) {
  const { name, purpose } = texts[language].categories[id];
  return [h("p", { lang: language }, h("strong", {}, name), `: ${purpose}`),
    h("ul", {}, trackers.filter((row) => row.category === id).map(tracker(language)))];
}

/** The texts of the banner, as they stood there, in the language in which they were read. */
function shown(record, { snapshot }) {
  const texts = snapshot.texts[record.language];
  const names = { controller: snapshot.definition.controller.name, reopen: texts.reopen };
  const buttons = [texts.accept_all, texts.necessary_only, texts.preferences].filter(Boolean).join(" · ");
  return h("details", {}, h("summary", {}, word("was-shown")),
    h("blockquote", { lang: record.language },
      h("p", {}, h("strong", {}, fill(texts.title, names))), h("p", {}, fill(texts.intro, names)),
      h("p", {}, fill(texts.change, names)), h("p", {}, buttons)),
    h("h4", {}, word("trackers-then")),
    CATEGORIES.flatMap((id) => category(id, snapshot, record.language)),
    h("p", { className: "soft breakable" }, `SHA-256 ${record.version_shown.digest}`));
}

/** One record as an item of the list; `until`: up to when records are restricted. */
export function item(record, version, until) {
  const held = until && record.recorded_at <= until;
  return h("li", {},
    h("h3", {}, h("time", { dateTime: record.recorded_at }, moment(record.recorded_at)), `: ${word(record.action)}`),
    held && h("p", { className: "held" }, word("held")),
    h("dl", { className: "facts" }, facts(record).map(fact).flat()),
    shown(record, version));
}
