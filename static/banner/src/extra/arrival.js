// What few pages begin with: a receipt that comes back from the visitor's own page, one that a restored server lost, a notice.

import { call, config } from "../config.js";
import { forget, parse, receipts, recall, remember, secondsLeft, write } from "../receipt.js";
import { refresh } from "../record.js";
import { decision, mustShow } from "../state.js";
import { showNotice } from "./notice.js";

// Of this site, of the visitor who was here already, and newer: a link can not bring somebody else's choice along.
const isNewer = (fresh, held) => held.length && fresh.s === config.site && secondsLeft(fresh) > 0
  && held.every(({ p, t }) => p === fresh.p && t < fresh.t);

const isWorthless = async (token) => {
  const { trackers } = await (await call("gate", { headers: { "Poort-Receipt": token } })).json();
  return Object.values(trackers).some(({ reason }) => /^(bad_receipt|wrong_site)$/.test(reason));
};

const isErased = async ({ token }) => (await call("me", { headers: { "Poort-Receipt": token } })).status === 401;
const erase = async () => {
  if (!(await Promise.all(receipts().map(isErased))).includes(true)) return;
  forget();
  remember({});
};

// `#poort=TOKEN`, the link back from /me/SITE; or `#poort=erased`. As long as the server says nothing the old choice does not
// count either.
export const take = async (token) => {
  if (token === "erased") return erase().catch(() => {});
  const fresh = parse(token);
  if (!isNewer(fresh, receipts())) return;
  const worthless = await isWorthless(token).catch(() => {});
  if (worthless) return;
  const { pending, ...memo } = recall();
  write(fresh);
  // A grant that still waits to be sent does not undo a refusal that came after it.
  const keeps = pending && !/^[nw]/.test(fresh.a) && { pending };
  remember({ ...memo, ...keeps, ...(worthless === false && { receipt: token }) });
};

// A server that was put back from a backup knows nothing of what came after it: who chose then brings the proof, once.
const resend = async ({ token }) => {
  const { status } = await call("receipts", { method: "POST", headers: { "Poort-Receipt": token } });
  if (status === 410) forget(); // erased on request, and not to be kept here either
  else if (status >= 500 || status === 429) return; // on the next page
  remember({ ...recall(), restored: config.restored.to });
  if (status === 410) refresh();
};

// `due` says which: signals/aside.js.
export const tell = async ({ notice, restored }) => {
  if (restored && decision().token) await resend(decision()).catch(() => {});
  if (notice && !mustShow()) await showNotice();
};
