// What the platform before us left: its tags, its cookie. This sees that they are there; the second script understands them.

import { byId, config } from "./config.js";
import { names } from "./cookies.js";
import { use } from "./extra.js";

const HELD = 'script[type="text/plain"],[data-cookieblock-src],[data-uc-src],[data-src]:is([data-name],[data-category],[class*=optanon-])';

let translate;
let waits; // undefined before they were seen

// What has our attributes too is theirs when they name nothing that this site has.
const isForeign = ({ dataset: { service, category } }) => !byId(service ? config.trackers : config.categories, service || category);

const second = () => use("switching");

// Says their tags in our words. False while it can not: then nothing runs, for what runs keeps the order of the document.
export const translated = (then) => {
  if (translate) translate();
  else if (waits === undefined && [...document.querySelectorAll(HELD)].some(isForeign)) {
    waits = second().then((made) => (translate = made.translate)).catch(Boolean).then(() => {
      waits = 0;
      then();
    });
  }
  return !waits;
};

export const leftovers = () => names().filter((name) => /^(CookieConsent|Optanon(Consent|AlertBoxClosed)|cc_cookie|klaro)$/.test(name));

// What the visitor told that platform, if it counts.
export const inherited = async () => leftovers()[0] && second().then((made) => made.choice()).catch(() => {});
