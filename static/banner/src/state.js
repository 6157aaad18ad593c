// What counts now: the receipt, the decision that still has to be recorded, and what the two allow together.

import { config, gpc } from "./config.js";
import { allows, decide, decideCategory, decideSwitch, mustAsk } from "./gate.js";
import { now, recall, receipts } from "./receipt.js";

let receipt;  // the receipt that counts; {bad: true} when what is there can not be read
let pending;  // a decision that the server has not confirmed yet, in the form of a receipt
let doubted;  // a receipt that the server is asked about: till it answers everything is blocked and nothing is asked
let forged;   // the token that the server refused

const facts = (one) => ({ now: one?.token ? now(one) : 0, gpc: gpc() });
const usable = (one) => one?.s === config.site && facts(one).now < one.e;

const asReceipt = (body) => {
  const named = (choices, wanted) => Object.keys(choices).filter((name) => choices[name] === wanted);
  return {
    s: config.site, r: body.id, p: body.visitor, v: body.version, a: body.action, gpc: body.gpc, e: Infinity,
    c: named(body.choices, true), x: named(body.trackers, false), g: named(body.trackers, true),
  };
};

// Of two cookies of the name the one that allows less counts; what can not be read allows nothing.
const allowed = (one) => config.trackers.filter(({ id }) => allows(decide(one, config, facts(one), id))).length;
const strictest = () => receipts().sort((one, two) => allowed(one) - allowed(two))[0];

// Reads what the browser holds. Answers the receipt that only the server can tell the truth of, if there is one:
// any page of the domain can write a cookie, and a page can not check a signature.
export const read = () => {
  const memo = recall();
  const found = strictest();
  pending = memo.pending?.choices && asReceipt(memo.pending);
  doubted = usable(found) && found.token !== memo.receipt && found.token !== forged && found;
  receipt = doubted ? undefined : found?.token === forged && found ? { bad: true } : found;
  return doubted;
};
export const refuse = (token) => (forged = token);
export const trusted = () => !pending && usable(receipt) && receipt;

// What the visitor last said, recorded or not.
const said = () => pending || receipt;
export const hasSaid = () => usable(said());
export const saysYes = (id) => allows(decide(said(), config, facts(said()), id));
export const saysYesTo = (category) => allows(decideSwitch(said(), config, facts(said()), category));

// With `acknowledged` a grant counts once its receipt is back; a refusal counts at once.
const reason = (judge, id) => {
  const verdict = judge(said(), config, facts(said()), id);
  if (!pending || config.release === "immediate" || verdict !== "granted") return verdict;
  return allows(judge(receipt, config, facts(receipt), id)) ? verdict : "no_choice";
};
const answer = (judge, id) => {
  const why = reason(judge, id);
  return { allow: allows(why), reason: why };
};
export const mayLoad = (id) => answer(decide, id).allow;
export const hasConsent = (category) => answer(decideCategory, category).allow;

const waits = () => pending && config.trackers.some(({ id }) => saysYes(id) && !mayLoad(id));

export const mustShow = () => config.ask && !pending && !doubted
  && config.trackers.some(({ id }) => mustAsk(decide(receipt, config, facts(receipt), id)));

const moment = (seconds) => (seconds > 0 && seconds < 1e11 ? new Date(seconds * 1e3).toISOString() : null);

// The state as pages see it. A grant that waits for its receipt is not there yet.
export const state = () => {
  const found = waits() ? receipt : said();
  const one = usable(found) ? found : {};
  return {
    site: config.site, version: one.v ?? null, action: one.a ?? null,
    categories: Object.fromEntries(config.categories.map(({ id }) => [id, hasConsent(id)])),
    trackers: Object.fromEntries(config.trackers.map(({ id }) => [id, answer(decide, id)])),
    gpc: gpc(), decided_at: moment(one.t), expires_at: moment(one.e), record: one.r ?? null, visitor: one.p ?? null,
  };
};

// What stands in the settings under "your choice": also one that still has to be recorded.
export const decision = () => (hasSaid() ? said() : null);
