// What a tracker leaves behind is deleted when it may no longer load: cookies and storage keys of this site (D4).

import { config } from "./config.js";
import { expire, names } from "./cookies.js";
import { mayLoad } from "./state.js";

// `*` stands for the rest of a name; nothing is found by a part of it.
const fits = (name, pattern) => (pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern);
const fitsAny = (name, rows) => rows.some((row) => fits(name, row.name));

// A name that a tracker which may load has too stays.
const only = (found, denied, granted) => found.filter((name) => fitsAny(name, denied) && !fitsAny(name, granted));

// A cookie with a domain lives at the vendor's: a page can not delete it, and its own of that name is another.
const cookiesOf = (trackers) => trackers.flatMap((one) => one.cookies).filter((row) => !row.domain);
const keysOf = (trackers, kind) => trackers.flatMap((one) => one.storage).filter((row) => row.kind === kind);

export const clean = () => {
  const granted = config.trackers.filter(({ id }) => mayLoad(id));
  const denied = config.trackers.filter(({ id }) => !mayLoad(id));
  expire(only(names(), cookiesOf(denied), cookiesOf(granted)));
  ["local", "session"].forEach((kind) => {
    try {
      const storage = window[kind + "Storage"];
      only(Object.keys(storage), keysOf(denied, kind), keysOf(granted, kind)).forEach((key) => storage.removeItem(key));
    } catch {}
  });
};
