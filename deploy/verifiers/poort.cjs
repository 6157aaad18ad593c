// Reads Poort's receipts and answers the gate in Node.js, 18 or later; needs nothing else. Works with `require` and with
// `import`:
//
//     const { decide } = require("./poort.cjs");            import { decide } from "./poort.cjs";
//     decide(request.headers.cookie, keys, version, "hotjar", Date.now() / 1000, gpc)  -> { allow: false, reason: "denied" }
//
// Gives the answers of consent/receipts.py and consent/gate.py; tests/vectors/receipts.json holds all of them together.
"use strict";

const { createHmac, timingSafeEqual } = require("node:crypto");

const SALT = "poort.receipt";
const LONGEST = 4096;
const CATEGORIES = ["necessary", "functional", "analytics", "marketing"];
const ALLOWED = ["necessary", "exempt", "granted"];
const ACTIONS = ["accept_all", "necessary_only", "custom", "withdraw"];
const CLAIMS = ["s", "r", "p", "v", "a", "c", "x", "g", "gpc", "t", "e"];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TOKEN = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$/;

// -- receipts ---------------------------------------------------------------------------------------------------------

/** The payload of a token that one of the keys signed and that is a receipt, of any site and age; else null. */
function read(token, keys) {
  if (!Array.isArray(keys) || !keys.length || keys.some((key) => typeof key !== "string" || !key.trim())) {
    throw new TypeError("keys must be a list with at least one key, and no empty one");
  }
  if (typeof token !== "string" || token.length > LONGEST || !TOKEN.test(token)) return null;
  const [payload, signature] = token.split(".");
  let signed = false;
  for (const key of keys) signed = isSigned(key, payload, signature) || signed;
  return signed ? claimsOf(payload) : null;
}

/** The same, for a receipt of this site that has not ended at `now` (seconds since 1970). */
function verify(token, keys, site, now) {
  const claims = read(token, keys);
  return claims && claims.s === site && now < claims.e ? claims : null;
}

function isSigned(key, payload, signature) {
  const derived = createHmac("sha256", key).update(SALT).digest();
  // Compared as text: the last character of base64 has bits that mean nothing, and one receipt is one text.
  const right = createHmac("sha256", derived).update(payload).digest("base64url");
  return timingSafeEqual(Buffer.from(right), Buffer.from(signature));
}

function claimsOf(payload) {
  const content = Buffer.from(payload, "base64url");
  if (content.toString("base64url") !== payload) return null;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
    const claims = JSON.parse(text);
    return !hasFractions(text) && isReceipt(claims) ? claims : null;
  } catch {
    return null;
  }
}

/** Whether a number is written as 5.0 or 5e0: JSON.parse makes it the whole number that a receipt does not say. */
function hasFractions(text) {
  return /\d[.eE]/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, '""'));
}

function isReceipt(claims) {
  if (claims === null || typeof claims !== "object" || Array.isArray(claims)) return false;
  const there = Object.keys(claims);
  const variant = Object.hasOwn(claims, "w"); // what an experiment showed; it allows nothing
  if (there.length !== CLAIMS.length + variant || !CLAIMS.every((name) => Object.hasOwn(claims, name))) return false;
  if (variant && (typeof claims.w !== "string" || !/^[a-z0-9-]{1,20}$/.test(claims.w))) return false;
  const { s, r, p, v, a, c, x, g, gpc, t, e } = claims;
  if (typeof s !== "string" || !isId(r) || !isId(p) || typeof gpc !== "boolean") return false;
  if (![v, t, e].every(isWhole) || ![c, x, g].every(isNames) || !ACTIONS.includes(a)) return false;
  return (a !== "necessary_only" && a !== "withdraw") || (!c.length && !g.length); // a refusal grants nothing
}

const isId = (value) => typeof value === "string" && UUID.test(value);
const isWhole = (value) => Number.isSafeInteger(value) && value >= 0;
const isNames = (value) => Array.isArray(value) && value.every((name) => typeof name === "string");

/** The tokens in a Cookie header: two of the name `poort` happen when a sibling subdomain sets one too. */
function tokens(cookies) {
  const parts = String(cookies ?? "").replaceAll(",", ";").split(";").filter((part) => part.includes("poort="));
  const pairs = parts.map((part) => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]);
  return pairs.filter(([name]) => trim(name) === "poort").map(([, value]) => trim(value).replace(/^"+|"+$/g, ""));
}

const trim = (text) => text.replace(/^[ \t]+|[ \t]+$/g, "");

// -- the gate ---------------------------------------------------------------------------------------------------------

/**
 * Whether `tracker` may load, and why (not): `{ allow, reason }`. Any doubt is no.
 *
 * `shown`: the Cookie header, or a list of tokens; of several the one that allows less counts. `version`: the answer of
 * `GET /v1/sites/{site}/config`; without one nothing may load. `now`: seconds since 1970. `gpc`: the request has
 * `Sec-GPC: 1`.
 */
function decide(shown, keys, version, tracker, now, gpc = false) {
  const known = version ? versionOf(version) : null;
  const rule = known?.trackers.get(tracker);
  if (!rule || !Number.isFinite(now)) return answer("unknown_tracker");
  const list = Array.isArray(shown) ? shown : tokens(shown);
  const receipts = list.length ? list.map((token) => read(token, keys) ?? "unreadable") : [null];
  const reasons = receipts.map((receipt) => reasonOf(rule, receipt, known, now, gpc));
  return answer(reasons.find((reason) => !ALLOWED.includes(reason)) ?? reasons.at(-1));
}

const answer = (reason) => ({ allow: ALLOWED.includes(reason), reason });

function reasonOf(rule, receipt, version, now, gpc) {
  if (rule.category === "necessary") return "necessary";
  if (rule.exempt) return "exempt";
  if (version.audience === "children") return "child_audience";
  if (receipt === null) return "no_choice";
  if (receipt === "unreadable") return "bad_receipt";
  if (receipt.s !== version.site) return "wrong_site";
  if (now >= receipt.e) return "expired";
  // A receipt newer than the version we know may mean something else by its categories.
  if (rule.since > receipt.v || receipt.v > version.number) return "stale_version";
  if (!grants(receipt, rule)) return receipt.a === "withdraw" ? "withdrawn" : "denied";
  return gpc && rule.category === "marketing" && !receipt.gpc ? "gpc" : "granted";
}

/** A tracker's own choice beats its category's; refusing wins over allowing. */
function grants(receipt, rule) {
  if (receipt.x.includes(rule.id)) return false;
  return receipt.c.includes(rule.category) || receipt.g.includes(rule.id);
}

/** What the gate needs of a version; throws when it is none: a gate that can not read its version must not guess. */
function versionOf(data) {
  const list = Array.isArray(data.categories);
  const since = list ? Object.fromEntries(data.categories.map((row) => [row.id, row.since])) : data.categories;
  const number = data.number ?? data.version;
  const isNumbered = Number.isInteger(number) && CATEGORIES.every((name) => Number.isInteger(since?.[name]));
  if (!isNumbered || typeof data.site !== "string" || !Array.isArray(data.trackers)) throw new TypeError(NO_VERSION);
  const trackers = new Map(data.trackers.map((row) => [row.id, ruleOf(row, since)]));
  return { site: data.site, number, audience: data.audience ?? "general", trackers };
}

function ruleOf(row, since) {
  if (!CATEGORIES.includes(row.category) || !Number.isInteger(row.since)) throw new TypeError(NO_VERSION);
  return {
    id: row.id, category: row.category, exempt: row.exempt === true, since: Math.max(row.since, since[row.category]),
  };
}

const NO_VERSION = "version must be the answer of GET /v1/sites/{site}/config";

exports.read = read;
exports.verify = verify;
exports.tokens = tokens;
exports.decide = decide;
