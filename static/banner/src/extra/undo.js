// What a visitor took back: nodes that the trackers added go, and what became of each tracker goes to the record's trail (D5).

import { call, details } from "../config.js";
import { decision, mayLoad } from "../state.js";

// The page deletes its own site's cookies; what lies at the vendor's, or is hidden from scripts, it can not.
const beyond = ({ domain, server }) => domain || server;
const results = ({ cookies, storage, signal }, told) => [
  told[signal] && "told",
  (cookies.some((one) => !beyond(one)) || storage.length) && "deleted",
  cookies.some(beyond) && "could_not",
].filter(Boolean);

// The receipt of the record comes later; another decision in between has a report of its own.
const receipt = async (pending) => {
  for (let tries = 60; tries--;) {
    const { r, token } = decision();
    if (token) return r === pending && token;
    await new Promise((done) => setTimeout(done, 500));
  }
};

const remove = ({ id, elements = [] }) => mayLoad(id) || elements.map((selector) =>
  document.querySelectorAll(selector).forEach((node) => node.remove()));

export const undo = async (taken, told) => {
  const { r: record } = decision();
  await details();
  taken.map(remove);
  const trackers = Object.fromEntries(taken.map((one) => [one.id, results(one, told)]).filter(([, all]) => all.length));
  const token = Object.keys(trackers)[0] && await receipt(record);
  if (token) await call("outcomes", { method: "POST", body: JSON.stringify({ record, trackers }), headers: { "Poort-Receipt": token }, keepalive: true });
};
