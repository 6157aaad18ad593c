// Tells the vendors that listen what the visitor allows. That comes on top: what is not allowed is not loaded either.

import { choosable } from "./config.js";

const memos = {}; // what an adapter remembers of this page
let before;

// {google: true}: who was told something. The first time on a page comes before any tag, so that a default precedes it.
// A tracker that needs no consent has none to tell of.
export const signal = (now) => {
  const told = {};
  for (const name of new Set(choosable().map((one) => one.signal))) {
    try {
      if (POORT_SIGNALS[name]?.(now, before, (memos[name] ||= {}))) told[name] = true;
    } catch (error) {
      console.error(error); // the vendor's own: it may not stop the next
    }
  }
  before = now;
  return told;
};
