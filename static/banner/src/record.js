// A decision: kept here, sent to the server till it is recorded, once.

import { asked, call, config, gpc, post, seen, table } from "./config.js";
import { expire } from "./cookies.js";
import { use } from "./extra.js";
import { inherited, leftovers } from "./foreign.js";
import { forget, parse, recall, receipts, remember, write } from "./receipt.js";
import { decision, mustShow, read, refuse } from "./state.js";
import { close, say } from "./surface.js";
import { count, settle } from "./update.js";

let sending;
let checking;
let spoken; // the visitor decided on this page, so is told how it went
let tries = 0;
let timer;

// Version 4, from 122 random bits of the system (G2): the name that a browser gives to data of a page. It is there on plain
// http too, where crypto.randomUUID is not, and costs a fifth of what making one does.
const uuid = () => URL.createObjectURL(new Blob()).slice(-36);

const later = () => {
  clearTimeout(timer);
  timer = setTimeout(wake, Math.min(3e5, 2e3 * 2 ** tries++) * (0.5 + Math.random()));
};

// Everything on is accept_all, everything off a refusal, and only the rest is custom.
const actionOf = (choices, trackers, refusal) => {
  const on = asked().filter((one) => choices[one.id]).length;
  if (Object.keys(trackers).length || (on && on < asked().length)) return "custom";
  return on ? "accept_all" : refusal;
};

export const choose = ({ choices, trackers }, source, refusal = "necessary_only", more) => {
  if (!config.ask) return;
  const action = actionOf(choices, trackers, refusal);
  const pending = seen({
    id: uuid(), visitor: decision().p || uuid(), action,
    choices: table(config.categories.slice(1), ({ id }) => action === "accept_all" || !!choices[id]),
    trackers, source, gpc: gpc(), took: source === "banner" ? Math.min(864e5, performance.now()) | 0 : undefined, ...more,
  });
  // What is refused altogether is refused at once, for the site's servers and other hosts of its domain too.
  if (/^[nw]/.test(action)) forget();
  remember({ ...recall(), pending });
  spoken = !more;
  close();
  wake();
};

const adopt = (token) => {
  const receipt = parse(token);
  write(receipt, receipt.e - receipt.t); // before the other tabs hear of it
  remember({ receipt: token, skew: receipt.t - Date.now() / 1e3 });
  tries = 0;
  if (spoken) say("saved");
};

const deliver = async (body) => {
  try {
    const answer = await post("consents", body);
    return { status: answer.status, ...(answer.ok && (await answer.json())) };
  } catch {
    return {}; // down, slow, or not in our words
  }
};

// One at a time: the order of decisions is the order of records.
const send = async () => {
  const { pending } = recall();
  if (!pending || sending) return;
  sending = true;
  const { status, receipt } = await deliver(pending);
  sending = false;
  if (recall().pending?.id !== pending.id) return send();
  // What the server will not have, now or later, is asked again.
  const refused = /^4(?!08|29)/.test(status);
  if (receipt) {
    adopt(receipt);
    if (pending.source === "import") expire(leftovers()); // it is recorded here, and no longer true there
  } else if (refused) {
    forget(); // else the choice before it would go on (D4)
    remember({ ...recall(), pending: null });
    if (pending.source !== "import") say("failed");
  } else {
    if (spoken) say("offline");
    later();
  }
  refresh(refused);
};

const check = async ({ token }) => {
  if (checking) return;
  checking = true;
  try {
    const { trackers } = await (await call("gate", { headers: { "Poort-Receipt": token } })).json();
    if (Object.values(trackers).some(({ reason }) => /^(bad_receipt|wrong_site)$/.test(reason))) refuse(token);
    else remember({ ...recall(), receipt: token });
    checking = false;
    refresh();
  } catch {
    checking = false;
    later();
  }
};

export const refresh = (again) => {
  const doubted = read();
  settle(again);
  if (doubted) check(doubted);
};

// Again later, on the next page, and when the connection is back.
export const wake = () => {
  refresh();
  send();
};

// Who ever decided here, or had an old choice refused, is not taken at the word of another platform's cookie again.
const isNew = () => !receipts().length && !recall().site;
export const inherit = async () => {
  // A visitor who changed a choice on the page of their own, and comes back: nothing runs on the old one (D4), and
  // a refusal stays.
  const [page, came] = location.href.split("#poort=");
  if (came) {
    history.replaceState(0, "", page);
    await use("take", came).catch(() => /^[nw]/.test(receipts()[0]?.a) || forget());
  }
  const found = isNew() && (await inherited());
  if (found && isNew()) choose(found, "import", undefined, found);
};

// A new page writes the cookie anew, so that a browser that shortens its life does not forget.
export const begin = () => {
  wake();
  const found = decision();
  if (found.token) write(found);
  const due = POORT_SIGNALS.aside?.(found, recall(), config, !mustShow() && count);
  if (due) use("tell", due).catch(() => {});
};
