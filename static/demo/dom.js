// Elements from plain values: text stays text.

export const one = (selector, within = document) => within.querySelector(selector);

export const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

// Only what differs is touched, so that a screen reader, a selection and the focus stay where they are.
export const say = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};
