// What counts now: the receipt, the decision that still has to be recorded, and what the two allow together.

import { choosable, config, gpc, table } from "./config.js";
import { allows, decide, decideCategory, mustAsk } from "./gate.js";
import { recall, receipts, secondsLeft } from "./receipt.js";

let receipt;  // the receipt that counts; {bad: true} when what is there can not be read
let pending;  // a decision that the server has not confirmed yet, in the form of a receipt
let doubted;  // a receipt that the server is asked about: till it answers everything is blocked and nothing is asked
let forged;   // the token that the server refused

const usable = (one) => one?.s === config.site && secondsLeft(one) > 0;

const asReceipt = ({ choices, trackers, ...body }) => {
  const named = (answers, wanted) => Object.keys(answers).filter((name) => answers[name] === wanted);
  return {
    s: config.site, r: body.id, p: body.visitor, v: body.version, a: body.action, gpc: body.gpc, e: Infinity, old: body.source === "import",
    c: named(choices, true), x: named(trackers, false), g: named(trackers, true),
  };
};

// Of two cookies of the name the one that allows less counts; what can not be read allows nothing.
const allowed = (one) => config.trackers.filter(({ id }) => allows(decide(one, id))).length;

// Reads what the browser holds. Answers the receipt that only the server can tell the truth of, if there is one: any page of
// the domain can write a cookie, and a page can not check a signature. What counted a moment ago on this page still does.
export const read = () => {
  const memo = recall();
  const [found] = receipts().sort((one, two) => allowed(one) - allowed(two));
  pending = memo.pending?.choices && asReceipt(memo.pending);
  doubted = usable(found) && found.token !== memo.receipt && found.token !== receipt?.token && found;
  receipt = doubted ? doubted.token === forged && { bad: true } : found;
  if (receipt) doubted = false;
  return doubted;
};
export const refuse = (token) => (forged = token);

// What the visitor last said, recorded or not.
const said = () => pending || receipt;
export const decision = () => usable(said()) && said();
export const saysYes = (tracker) => allows(decide(said(), tracker.id));
export const saysYesTo = (category) => allows(decideCategory(said(), category));

// With `acknowledged` a grant counts once its receipt is back; a refusal counts at once. What another platform
// was told counts once the server has taken its date.
const reason = (judge, id) => {
  const why = judge(said(), id);
  const waits = pending && why === "granted" && (pending.old || config.release !== "immediate") && !allows(judge(receipt, id));
  return waits ? "no_choice" : why;
};
export const mayLoad = (id) => allows(reason(decide, id));
export const hasConsent = (category) => allows(reason(decideCategory, category));

export const mustShow = () => config.ask && !pending && !doubted && choosable().some((one) => mustAsk(receipt, one.id));

const moment = (seconds) => (seconds ? new Date(seconds * 1e3).toISOString() : null);

// The state as pages see it. A grant that waits for its receipt is not there yet.
export const state = () => {
  const waits = choosable().some((one) => saysYes(one) && !mayLoad(one.id));
  const found = waits ? receipt : said();
  const { v: version = null, a: action = null, t, e, r: record = null, p: visitor = null } = usable(found) ? found : {};
  return {
    site: config.site, version, action, record, visitor, gpc: gpc(), decided_at: moment(t), expires_at: moment(t && e),
    categories: table(config.categories, (one) => hasConsent(one.id)),
    trackers: table(config.trackers, (one) => ({ allow: mayLoad(one.id), reason: reason(decide, one.id) })),
  };
};
