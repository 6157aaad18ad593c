// A decision: kept here, sent to the server till it is recorded, once.

import { asked, call, config, gpc, language, pageGroup } from "./config.js";
import { forget, parse, recall, remember, write } from "./receipt.js";
import { decision, read, refuse, trusted } from "./state.js";
import { close, say } from "./surface.js";
import { settle } from "./update.js";

let sending;   // the id that is on its way
let checking;
let spoken;    // the visitor decided on this page, so is told how it went
let tries = 0;
let timer;

const uuid = () => crypto.randomUUID?.() || "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) =>
  (digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (digit / 4)))).toString(16));

const later = () => {
  clearTimeout(timer);
  timer = setTimeout(wake, Math.min(3e5, 2e3 * 2 ** tries++) * (0.5 + Math.random()));
};

// Everything on is accept_all, everything off a refusal, and only the rest is custom.
const actionOf = (on, trackers, withdrawing) => {
  if (Object.keys(trackers).length) return "custom";
  if (on.length === asked().length) return "accept_all";
  if (on.length) return "custom";
  return withdrawing ? "withdraw" : "necessary_only";
};

export const choose = ({ choices, trackers = {} }, source, withdrawing) => {
  if (!config.ask) return;
  const on = asked().map(({ id }) => id).filter((id) => choices[id]);
  const action = actionOf(on, trackers, withdrawing);
  const yes = (id) => action === "accept_all" || on.includes(id);
  const pending = {
    id: uuid(), visitor: decision()?.p || uuid(), version: config.version, action,
    choices: { functional: yes("functional"), analytics: yes("analytics"), marketing: yes("marketing") },
    trackers, source, language: language(), gpc: gpc(), page_group: pageGroup(),
  };
  // What is refused altogether is refused at once, for the site's servers and other hosts of its domain too.
  if (/^[nw]/.test(action)) forget();
  remember({ ...recall(), pending });
  spoken = true;
  close();
  refresh();
  send();
};

const adopt = (token) => {
  const receipt = parse(token);
  write(receipt);
  remember({ receipt: token, skew: receipt.t - Date.now() / 1e3 });
  tries = 0;
  if (spoken) say("saved");
};

// The server will not have it, now or later: the visitor is asked again.
const drop = () => {
  const { pending, ...rest } = recall();
  remember(rest);
  say("failed");
};

const post = async (body) => {
  try {
    const answer = await call("consents", { method: "POST", body: JSON.stringify(body), keepalive: true });
    return { status: answer.status, ...(answer.ok && (await answer.json())) };
  } catch {
    return {}; // down, slow, or not in our words
  }
};

// As text/plain, so that no preflight is needed. One at a time: the order of decisions is the order of records.
export const send = async () => {
  const { pending } = recall();
  if (!pending || sending) return;
  sending = true;
  const { status, receipt } = await post(pending);
  sending = false;
  if (recall().pending?.id !== pending.id) return send();
  if (receipt) adopt(receipt);
  else if (status >= 400 && status < 500 && status !== 408 && status !== 429) drop();
  else {
    if (spoken) say("offline");
    later();
  }
  refresh();
};

const check = async ({ token }) => {
  if (checking) return;
  checking = true;
  try {
    const answer = await call("gate", { headers: { "Poort-Receipt": token } });
    const { trackers } = await answer.json();
    const bad = Object.values(trackers).some(({ reason }) => /^(bad_receipt|wrong_site)$/.test(reason));
    if (bad) refuse(token);
    else remember({ ...recall(), receipt: token });
    checking = false;
    refresh();
  } catch {
    checking = false;
    later();
  }
};

export const refresh = () => {
  const doubted = read();
  settle();
  if (doubted) check(doubted);
};

// Again later, on the next page, and when the connection is back.
export const wake = () => {
  refresh();
  send();
};

// A new page writes the cookie anew, so that a browser that shortens its life does not forget.
export const begin = () => {
  wake();
  if (trusted()) write(trusted());
};
