// Shows what follows from the name and the address while they are typed; the server works it out by itself as well.
const field = (name) => document.getElementById(name);
const SECOND_LEVEL = new Set(["co", "com", "org", "net", "ac", "gov", "edu"]);

const slug = (name) => name.normalize("NFKD").replace(/[^\x20-\x7e]/g, "").toLowerCase()
  .replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 50).replace(/-+$/, "");

function where(address) {
  let url;
  try {
    url = new URL(/^[a-z]+:\/\//i.test(address) ? address : `https://${address}`);
  } catch {
    return null;
  }
  const host = url.hostname.replace(/\.$/, "");
  const bare = host.replace(/^www\./, "");
  const labels = bare.split(".");
  const number = /^[\d.]+$/.test(host);
  const own = labels.length === 2 || (labels.length === 3 && SECOND_LEVEL.has(labels[1]) && labels[2].length === 2);
  if (number || url.port || !own) return { origins: url.origin, domain: "", host: bare };
  return { origins: `${url.protocol}//${bare}\n${url.protocol}//www.${bare}`, domain: bare, host: bare };
}

// A proposal is a placeholder: left empty, the server fills in the same.
function propose() {
  const found = where(field("address").value.trim());
  field("key").placeholder = slug(field("name").value);
  field("origins").placeholder = found ? found.origins : "";
  field("cookie_domain").placeholder = found ? found.domain : "";
  if (found && found.host.includes(".")) {
    field("controller.email").placeholder = `privacy@${found.host}`;
    field("controller.policy_url").placeholder = `https://www.${found.host}/privacy`;
  }
}
for (const name of ["name", "address"]) field(name).addEventListener("input", propose);
propose();
