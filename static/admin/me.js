/* The visitor's own page: shows, changes, restricts, downloads and erases what the receipt stands for. The receipt
   comes in the fragment of the address (which no server ever sees), in a form, by hand, or in the cookie `poort`; it
   leaves in a header, and in the fragment of the link back. */
import { item } from "./me-records.js";
import { fill, moment, part, root, word } from "./me-words.js";

const { site, api, version, origins, cookieDomain } = root.dataset;
const form = part("change");
// The origin that the visitor came from; this page in another language, or again, still knows it.
const from = origins.split(" ").find((origin) => document.referrer.startsWith(`${origin}/`));
const back = kept() ?? from ?? origins.split(" ")[0];

let token = received();
let latest; // what the visitor said last
let known = {}; // what the server answered last
let pending; // a decision that was not answered yet, so that it is recorded once

function kept() {
  const key = `back-${site}`;
  try {
    if (from) sessionStorage.setItem(key, from);
    return origins.split(" ").find((origin) => origin === sessionStorage.getItem(key));
  } catch {
    return undefined; // a browser without storage
  }
}

/** The receipt that this page was given. It is out of the address before anything else; a reload still has it. */
function received() {
  const given = location.hash.match(/^#receipt=([\w.-]*)$/)?.[1];
  const found = given || root.dataset.receipt || history.state?.receipt || "";
  if (given !== undefined || found) hold(found);
  return found;
}

function hold(receipt) {
  history.replaceState(receipt ? { receipt } : null, "", location.pathname + location.search);
}

function read(receipt) {
  try {
    return JSON.parse(atob(receipt.split(".")[0].replace(/-/g, "+").replace(/_/g, "/")));
  } catch {
    return {};
  }
}

class Failed extends Error {}

async function call(path, method = "GET", more = {}, body = undefined) {
  const headers = { ...(token && { "Poort-Receipt": token }), ...(body && { "Content-Type": "application/json" }), ...more };
  const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
  if (!answer.ok && answer.status !== 401) throw new Failed(String(answer.status));
  return answer;
}

const told = (path, method) => call(path, method, { Prefer: "return=representation" });

const PARTS = ["none", "erased", "shown"];
const show = (name) => PARTS.forEach((each) => { part(each).hidden = each !== name; });

// -- what is there ----------------------------------------------------------------------------------------------------

async function load() {
  const answer = await call("/me");
  if (answer.status === 401) return show("none");
  known = await answer.json();
  const came = read(token).r;
  token = known.receipt ?? token;
  latest = known.records.find(({ id }) => id === read(token).r) ?? known.records.at(-1);
  hold(token);
  draw((await (await call("/gate")).json()).trackers);
  show("shown");
  if (came && came !== latest.id) say("older", !keep(token));
}

function draw(gate) {
  const until = known.restricted_at;
  part("rows").replaceChildren(...known.records.map((record) => item(record, known.versions[record.version], until)));
  form.querySelectorAll("[data-tracker]").forEach((row) => judge(row, gate[row.dataset.tracker]));
  form.querySelectorAll("[data-asked]").forEach((box) => set(box, gate));
  part("restricted").hidden = !until;
  part("restricted").dataset.text ??= part("restricted").textContent;
  part("restricted").textContent = fill(part("restricted").dataset.text, { when: until && moment(until) });
  part("lift").hidden = !until;
  part("restrict").hidden = until && known.records.every(({ recorded_at }) => recorded_at <= until);
}

function judge(row, { allow, reason } = { allow: false, reason: "unknown_tracker" }) {
  row.querySelector("[data-may]").textContent = word(allow ? "may" : "may-not");
  row.querySelector("[data-why]").textContent = word(`why-${reason}`);
  row.classList.toggle("allowed", allow);
}

const ownSwitch = (box) => box.querySelector("legend input");
const rows = (box) => [...box.querySelectorAll("[data-tracker]")].filter((row) => row.querySelector("input"));

const UNASKED = ["no_choice", "stale_version", "expired", "gpc"];

/** The switches as what counts now: what the visitor was not asked, or is to be asked anew, is off till they say so (F3). */
function set(box, gate) {
  const answers = rows(box).map((row) => gate[row.dataset.tracker] ?? { allow: false, reason: "unknown_tracker" });
  rows(box).forEach((row, place) => { row.querySelector("input").checked = answers[place].allow === true; });
  ownSwitch(box).checked = latest.choices[box.dataset.category] === true
    && !answers.every(({ reason }) => UNASKED.includes(reason));
}

// -- a change ---------------------------------------------------------------------------------------------------------

// Version 4, from 122 random bits (G2); crypto.randomUUID is not there on plain http.
const uuid = () => "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/[x8]/g, (place) => {
  const [byte] = crypto.getRandomValues(new Uint8Array(1));
  return (place === "8" ? 8 + (byte % 4) : byte % 16).toString(16);
});

/** What the switches say: what is stored is what is shown (C5). */
function wished() {
  const boxes = [...form.querySelectorAll("[data-asked]")];
  const on = boxes.filter((box) => ownSwitch(box).checked).map((box) => box.dataset.category);
  const single = boxes.flatMap((box) => rows(box)
    .filter((row) => row.querySelector("input").checked !== ownSwitch(box).checked)
    .map((row) => [row.dataset.tracker, row.querySelector("input").checked]));
  return { on, all: on.length === boxes.length, trackers: Object.fromEntries(single) };
}

const grants = ({ choices, trackers }) => [...Object.values(choices), ...Object.values(trackers)].includes(true);

function decision({ on, all, trackers }) {
  const some = Object.keys(trackers).length || (on.length && !all);
  const nothing = grants(latest) ? "withdraw" : "necessary_only";
  const action = some ? "custom" : all && on.length ? "accept_all" : nothing;
  const granted = (category) => action === "accept_all" || on.includes(category);
  const choices = Object.fromEntries(["functional", "analytics", "marketing"].map((name) => [name, granted(name)]));
  return {
    visitor: known.visitor, version: Number(version), action, choices, trackers, source: "settings",
    language: document.documentElement.lang, gpc: navigator.globalPrivacyControl === true, page_group: null,
  };
}

async function decide(wish) {
  const said = decision(wish);
  const key = JSON.stringify(said);
  if (pending?.key !== key) pending = { key, id: uuid() };
  const { receipt } = await (await call("/consents", "POST", {}, { id: pending.id, ...said })).json();
  pending = undefined;
  token = receipt;
  await load();
  say("saved", !keep(token));
}

// -- the cookie of the site -------------------------------------------------------------------------------------------

const cookies = () => document.cookie.split("; ").filter((pair) => pair.startsWith("poort=")).map((pair) => pair.slice(6));

/** Puts the receipt in the cookie of the site where this page shares it; else false. Another visitor's stays. */
function keep(receipt, seconds = read(receipt).e - Date.now() / 1e3) {
  if (!cookies().length || cookies().some((held) => read(held).p !== known.visitor)) return false;
  const within = cookieDomain && `.${location.hostname}`.endsWith(`.${cookieDomain}`);
  const rest = `;Path=/;SameSite=Lax${location.protocol === "https:" ? ";Secure" : ""}`;
  document.cookie = `poort=;Max-Age=0${rest}`;
  document.cookie = `poort=${receipt};Max-Age=${Math.round(seconds)}${within ? `;Domain=${cookieDomain}` : ""}${rest}`;
  return seconds > 0 ? cookies().join() === receipt : !cookies().length;
}

/** Says what was done, and where the site's own cookie still has to follow, gives the link that does it. */
function say(name, elsewhere = false) {
  const done = part("done");
  done.querySelectorAll("[data-said]").forEach((each) => { each.hidden = each.dataset.said !== name; });
  follow(done, elsewhere, `${back}/#poort=${token}`);
  done.hidden = false;
  done.focus();
}

function follow(where, elsewhere, href) {
  where.querySelector("[data-elsewhere]").hidden = !elsewhere;
  where.querySelector("[data-back]").href = elsewhere ? href : `${back}/`;
}

// -- rights -----------------------------------------------------------------------------------------------------------

async function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await (await call("/me/export")).blob());
  link.download = `consent-${site}.jsonld`;
  link.click();
  URL.revokeObjectURL(link.href);
}

async function restrict(method, name) {
  await told("/me/restriction", method);
  await load();
  say(name);
}

async function erase() {
  const { removed } = await (await told("/me", "DELETE")).json();
  const text = part("erased").querySelector("p");
  text.textContent = fill(text.textContent, removed ?? {});
  follow(part("erased"), !keep("", 0), `${back}/#poort=erased`);
  hold("");
  token = "";
  show("erased");
  part("erased").focus();
}

// -- what the visitor does --------------------------------------------------------------------------------------------

const failing = (work) => async (event) => {
  event?.preventDefault();
  part("fault").hidden = true;
  try {
    await work();
  } catch {
    part("fault").hidden = false;
    part("fault").focus();
  }
};

const onClick = (name, work) => part(name)?.addEventListener("click", failing(work));

onClick("withdraw", () => decide({ on: [], all: false, trackers: {} }));
onClick("download", download);
onClick("print", () => print());
onClick("restrict", () => restrict("POST", "restricted"));
onClick("lift", () => restrict("DELETE", "lifted"));
onClick("erase", () => part("ask").showModal());
part("ask").addEventListener("close", () => part("ask").returnValue === "erase" && failing(erase)());
form.addEventListener("submit", failing(() => decide(wished())));
form.addEventListener("change", ({ target }) => {
  const box = target.closest("fieldset"); // a category's switch takes its trackers along
  if (target === ownSwitch(box)) rows(box).forEach((row) => { row.querySelector("input").checked = target.checked; });
});
part("paste").addEventListener("submit", failing(() => {
  token = part("receipt").value.trim().replace(/^poort=/, "");
  return load();
}));
// The other language needs the receipt too.
document.querySelectorAll(".languages a").forEach((link) => link.addEventListener("click", () => {
  link.hash = token && `receipt=${token}`;
}));

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...part("rows").querySelectorAll("details:not([open])")];
  closed.forEach((each) => { each.open = true; });
});
addEventListener("afterprint", () => closed.forEach((each) => { each.open = false; }));

addEventListener("hashchange", () => location.hash.startsWith("#receipt=") && location.reload());

failing(load)();
