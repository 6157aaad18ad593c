// The glass house: shows what the browser asked for, what the gate says and what was stored. It only reads,
// apart from its buttons, which do what a visitor can do in the banner.

import { one } from "./dom.js";
import { showGate, showReceipt, showRecord, showRequests, showStored, tokenNow } from "./show.js";
import { observe, takeWords } from "./witness.js";

const glass = one("#glass");
const site = glass.dataset.site;

// -- reading --------------------------------------------------------------------------------------------------------

const answer = async (address) => {
  try {
    const response = await fetch(address, { cache: "no-store" });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
};

const show = () => {
  takeWords();
  showRequests();
  showStored();
  showReceipt();
};

let soon;
const refresh = () => {
  clearTimeout(soon);
  soon = setTimeout(async () => {
    show();
    const asked = tokenNow();
    showGate(await answer(glass.dataset.gate));
    showRecord(asked, asked && await answer(`/v1/sites/${site}/me`));
    if (asked !== tokenNow()) refresh();
  }, 60);
};

addEventListener("poort:ready", refresh);
addEventListener("demo:heard", refresh);
addEventListener("demo:stand-in", refresh);
observe(site, refresh);
refresh();

// -- acting ---------------------------------------------------------------------------------------------------------

const expire = (name) => { document.cookie = `${name}=; Path=/; Max-Age=0; SameSite=Lax`; };

const forget = () => {
  for (const pair of document.cookie.split("; ")) expire(pair.split("=")[0]);
  localStorage.clear();
  sessionStorage.clear();
  location.reload();
};

const ACTS = {
  accept: () => window.Poort?.acceptAll(),
  refuse: () => window.Poort?.necessaryOnly(),
  withdraw: () => window.Poort?.withdraw(),
  next: () => location.reload(),
  forget,
};

for (const button of glass.querySelectorAll("button[data-act]")) {
  button.addEventListener("click", () => { ACTS[button.dataset.act](); refresh(); });
}

const fold = one(".fold", glass);
fold.addEventListener("click", () => {
  const open = glass.classList.toggle("open");
  fold.setAttribute("aria-expanded", String(open));
});
