// The receipt in the cookie, and what this browser remembers beside it.

import { config } from "./config.js";
import { expire, setCookie, valuesOf } from "./cookies.js";

const NAME = "poort";
let memory;

// A page without storage remembers for itself. What another site left on the same origin is not ours.
export const recall = () => {
  try {
    memory = JSON.parse(localStorage.getItem(NAME));
  } catch {}
  return memory?.site === config.site ? memory : {};
};

export const remember = (memo) => {
  memory = { ...memo, site: config.site };
  try {
    localStorage.setItem(NAME, JSON.stringify(memory));
  } catch {}
};

// This reads a receipt; `state.js` decides whether to believe it.
export const parse = (token) => {
  try {
    const receipt = JSON.parse(atob(token.split(".")[0].replace(/-/g, "+").replace(/_/g, "/")));
    [receipt.c, receipt.x, receipt.g].map((names) => names.map(String));
    return { ...receipt, token };
  } catch {
    return { bad: true, token };
  }
};

export const receipts = () => valuesOf(NAME).map(parse);

// By the server's clock as far as it is known, for a visitor's may be years off; unless that was set right since.
export const secondsLeft = ({ t, e }) => {
  const here = Date.now() / 1e3;
  const there = here + (recall().skew || 0);
  return e - (there < t ? here : there);
};

export const forget = () => expire([NAME]);

// Any other cookie of the name goes: one of a sibling host or of a deeper path may not linger beside this one.
// Written on each visit with what is left of its time: some browsers keep a script's cookie for a week at most.
export const write = (receipt, left = secondsLeft(receipt)) => {
  if (valuesOf(NAME).some((token) => token !== receipt.token)) forget();
  const domain = config.cookie_domain;
  const within = domain && ("." + location.hostname).endsWith("." + domain);
  setCookie(NAME, receipt.token, `;Max-Age=${Math.round(left)};Path=/${within ? ";Domain=" + domain : ""}`);
};
