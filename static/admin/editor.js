// The banner's editor: the contrast as one types, the preview, and fields put back. Without script the buttons do the same.

const form = document.getElementById("editor");
const wishes = document.getElementById("look-at");
const frames = document.getElementById("frames");

// -- contrast, as consent/look.py computes it ------------------------------------------------------------------------

const full = (text) => {
  const found = /^#(?:([0-9a-f]{6})|([0-9a-f])([0-9a-f])([0-9a-f]))$/i.exec(text.trim());
  return found && "#" + (found[1] ?? found.slice(2).map((digit) => digit + digit).join("")).toLowerCase();
};

const luminance = (colour) => {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};

const figure = new Intl.NumberFormat(document.documentElement.lang, { minimumFractionDigits: 1, maximumFractionDigits: 2 });

const judge = (theme) => {
  const inputs = [...theme.querySelectorAll("[data-colour]")];
  const palette = Object.fromEntries(inputs.map((input) => [input.dataset.colour, full(input.value) ?? input.dataset.usual]));
  palette.link ||= palette.button;
  for (const input of inputs) {
    const colour = palette[input.dataset.colour];
    input.placeholder = input.dataset.usual || palette.button;
    input.parentElement.querySelector("[type=color]").value = colour;
    input.toggleAttribute("aria-invalid", input.value !== "" && !full(input.value));
  }
  for (const row of theme.querySelectorAll("[data-pair]")) {
    const [one, other, needed] = row.dataset.pair.split(" ");
    const ratio = contrast(palette[one], palette[other]);
    const badge = row.querySelector(".badge");
    const enough = ratio >= Number(needed);
    badge.className = "badge " + (enough ? "good" : "block");
    badge.textContent = enough ? badge.dataset.enough : badge.dataset.little;
    row.querySelector("strong").textContent = figure.format(Math.floor(ratio * 100) / 100);
  }
};

for (const picker of form.querySelectorAll("[type=color]")) {
  picker.hidden = false;
  picker.parentElement.querySelector("svg").remove(); // which shows the colour to who can not pick one
  picker.addEventListener("input", () => {
    const text = picker.parentElement.querySelector("[data-colour]");
    text.value = picker.value;
    text.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

// -- fields as they were ---------------------------------------------------------------------------------------------

const resets = [...form.querySelectorAll("[data-usual][name=do]")];
for (const button of resets) {
  button.addEventListener("click", (event) => {
    const field = form.elements[button.value];
    event.preventDefault();
    field.value = button.dataset.usual;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  });
}

// -- the preview -----------------------------------------------------------------------------------------------------

// A frame is made anew for each look, or the browser's way back would lead through all of them.
const draw = (box) => {
  const { width, height, title } = box.dataset;
  const fresh = document.createElement("iframe");
  Object.assign(fresh, { name: `preview-${width}-${Date.now()}`, title, width, height });
  fresh.setAttribute("sandbox", "allow-scripts");
  fresh.addEventListener("load", () => {
    for (const old of box.querySelectorAll("iframe")) if (old !== fresh) old.remove();
  });
  box.append(fresh);
  fit(box);
  const sent = document.createElement("form");
  Object.assign(sent, { method: "post", action: frames.dataset.address, target: fresh.name, hidden: true });
  for (const [name, value] of [...new FormData(form), ...new FormData(wishes)]) {
    if (name === "base") continue;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    sent.append(field);
  }
  document.body.append(sent);
  sent.submit();
  sent.remove();
};

const fit = (box) => {
  const scale = Math.min(1, box.clientWidth / box.dataset.width);
  box.style.height = `${Math.ceil(box.dataset.height * scale)}px`;
  for (const frame of box.querySelectorAll("iframe")) frame.style.transform = `scale(${scale})`;
};

let waiting;
const show = () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => [...frames.children].forEach(draw), 300);
};

const follow = () => {
  form.querySelectorAll(".editor-theme").forEach(judge);
  for (const button of resets) button.hidden = form.elements[button.value].value === button.dataset.usual;
  show();
};

wishes.hidden = frames.hidden = false;
wishes.addEventListener("submit", (event) => event.preventDefault());
wishes.addEventListener("change", show);
form.addEventListener("input", follow);
const watch = new ResizeObserver((changes) => changes.forEach(({ target }) => fit(target)));
[...frames.children].forEach((box) => watch.observe(box));
follow();

// What was typed and not saved is not lost by a slip.
let changed = false;
form.addEventListener("input", () => { changed = true; });
form.addEventListener("submit", () => { changed = false; });
window.addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
