// What a tracker leaves behind is deleted when it may no longer load: cookies and storage keys of this site (D4).

import { config } from "./config.js";
import { expire, names } from "./cookies.js";
import { mayLoad } from "./state.js";

// `*` stands for the rest of a name; nothing is found by a part of it.
const fits = (name, pattern) => (pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern);

// The names that a refused tracker has, but for those that an allowed one has too.
const doomed = (found, rowsOf) => {
  const has = (name, allowed) => config.trackers.some((one) => mayLoad(one.id) === allowed && rowsOf(one)?.some((row) => fits(name, row.name ?? row)));
  return found.filter((name) => has(name, false) && !has(name, true));
};

export const clean = () => {
  // A cookie with a domain lives at the vendor's: a page can not delete it, and its own of that name is another.
  expire(doomed(names(), (one) => one.cookies?.filter((row) => !row.domain)));
  for (const kind of ["local", "session"]) {
    try {
      const storage = window[kind + "Storage"];
      doomed(Object.keys(storage), (one) => one.storage?.filter((row) => (row.kind ?? "local") === kind)).forEach((key) => storage.removeItem(key));
    } catch {}
  }
};
