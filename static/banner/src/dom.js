// Elements without markup: text is text, so nothing in a config can become HTML, and Trusted Types have nothing to object to.

export const h = (name, attributes, ...children) => {
  const node = document.createElement(name);
  Object.keys(attributes).map((key) => attributes[key] === false || node.setAttribute(key, attributes[key]));
  node.append(...children.flat(3).filter(Boolean));
  return node;
};

export const button = (hook, label, attributes) => h("button", { type: "button", "data-poort": hook, ...attributes }, label);
export const important = (css) => css.replace(/[^{};](?=[;}])/g, "$&!important");
export const link = (href, label, attributes) => href && [" ", h("a", { href, ...attributes }, label)];

// Where a page enforces Trusted Types a script's text and address need a policy; a page that allows none keeps the script off.
let policy;
export const trust = (kind, value) => {
  try {
    policy ??= trustedTypes.createPolicy("poort", { createHTML: String, createScript: String, createScriptURL: String });
  } catch {
    policy = {};
  }
  return policy["create" + kind]?.(value) ?? value;
};
