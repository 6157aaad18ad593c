// Elements without markup: text is text, so nothing in a config can become HTML, and Trusted Types have nothing to object to.

export const h = (name, attributes, ...children) => {
  const node = document.createElement(name);
  Object.keys(attributes).map((key) => attributes[key] === false || node.setAttribute(key, attributes[key]));
  node.append(...children.flat(3).filter(Boolean));
  return node;
};

export const button = (hook, label, attributes) => h("button", { type: "button", "data-poort": hook, ...attributes }, label);
export const link = (href, label, attributes) => href && [" ", h("a", { href, ...attributes }, label)];
