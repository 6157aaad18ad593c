// First-party cookies: read, set, delete.

const all = () => {
  try {
    return document.cookie.split("; ").map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 1)];
    });
  } catch {
    return []; // a sandboxed page has none
  }
};

export const names = () => all().map(([name]) => name);

// The different values of the cookies of one name.
export const valuesOf = (wanted) => [...new Set(all().filter(([name]) => name === wanted).map(([, value]) => value))];

export const setCookie = (name, value, rest) => {
  try {
    document.cookie = `${name}=${value}${rest};SameSite=Lax${location.protocol === "https:" ? ";Secure" : ""}`;
  } catch {}
};

// Every value with what comes after it joined on: ["a", "b"] gives "a.b", "b".
const parents = (host) => host.split(".").map((_, at, parts) => parts.slice(at).join("."));

// "/a/b" gives "/", "/a", "/a/", "/a/b", "/a/b/".
const paths = () => location.pathname.split("/").reduce((found, part) =>
  part ? [...found, found[found.length - 1] + part, found[found.length - 1] + part + "/"] : found, ["/"]);

// A page is not told the domain and path of a cookie: try them all.
export const expire = (doomed) => doomed.forEach((name) => ["", ...parents(location.hostname)].forEach((domain) =>
  paths().forEach((path) => setCookie(name, "", `;Max-Age=0;Path=${path}${domain && ";Domain=" + domain}`))));
