// What a visitor is told and not asked: that the policy changed materially since they answered. Once, until they close it.

import { policy } from "../banner.js";
import { config, text } from "../config.js";
import { button, h } from "../dom.js";
import { recall, remember } from "../receipt.js";
import { decision } from "../state.js";
import { fetchPanel, mount } from "../surface.js";

export const date = (value) => new Date(value).toLocaleDateString(config.language, { dateStyle: "long" });

const heading = () => text("notice", { date: date(config.notice.date) });

// In the banner, which they answer, it needs no place of its own.
export const news = () => config.notice?.version > decision().v && h("p", {}, h("b", {}, heading() + "."), " " + config.notice.summary);

const isUnder = (box, node) => {
  const [ours, theirs] = [box, node].map((one) => one.getBoundingClientRect());
  return ours.top < theirs.bottom && ours.bottom > theirs.top && ours.left < theirs.right && ours.right > theirs.left;
};

export const showNotice = async () => {
  await fetchPanel();
  if (!config.notice?.summary || !text("notice")) return;
  const shut = button("notice-close", text("close"), { class: "quiet" });
  const box = h("div", { role: "region", "aria-labelledby": "poort-notice", "aria-live": "polite", "data-poort": "notice" });
  const close = () => {
    remember({ ...recall(), notice: config.notice.version });
    const focused = box.matches(":focus-within");
    box.remove();
    if (focused) document.querySelector("#poort [data-poort=reopen]")?.focus({ preventScroll: true });
  };
  shut.onclick = close;
  box.onkeydown = ({ key }) => key === "Escape" && close();
  // N3: what has the focus is not hidden behind it.
  document.addEventListener("focusin", ({ target }) =>
    !box.contains(target) && !target.closest?.("#poort") && isUnder(box, target) && target.scrollIntoView({ block: "center" }));
  mount().append(box);
  // A moment later, for a live region speaks of what comes into it.
  setTimeout(() => box.append(h("b", { id: "poort-notice" }, heading()), h("p", {}, config.notice.summary, policy()), shut));
};
