// First-party cookies: read, set, delete.

const pairs = () => {
  try {
    return document.cookie.split("; ");
  } catch {
    return []; // a sandboxed page has none
  }
};

export const names = () => pairs().map((pair) => pair.split("=")[0]);

// The different values of the cookies of one name.
export const valuesOf = (name) => [...new Set(pairs().filter((pair) => pair.startsWith(name + "=")).map((pair) => pair.slice(name.length + 1)))];

export const setCookie = (name, value, rest) => {
  try {
    document.cookie = `${name}=${value}${rest};SameSite=Lax${location.protocol === "https:" ? ";Secure" : ""}`;
  } catch {}
};

// "www.shop.example" gives itself, "shop.example", "example"; "/a/b" gives "/", "/a", "/a/", "/a/b".
const domains = () => location.hostname.split(".").map((_, at, parts) => parts.slice(at).join("."));
const paths = () => location.pathname.match(/\/|[^/]+/g).map((_, at, parts) => parts.slice(0, at + 1).join(""));

// A page is not told the domain and path of a cookie: try them all.
export const expire = (doomed) => doomed.forEach((name) => ["", ...domains()].forEach((domain) =>
  paths().forEach((path) => setCookie(name, "", `;Max-Age=0;Path=${path}${domain && ";Domain=" + domain}`))));
