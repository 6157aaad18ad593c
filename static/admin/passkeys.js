// Passkeys: forms with data-passkey ask the server what to ask for, then the browser, and send what it answers.
// Without passkeys in the browser, or at another address than theirs, the forms stay hidden and the rest works.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function asked(options) {
  const known = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));
  const found = { ...options, challenge: bytes(options.challenge) };
  if (options.user) found.user = { ...options.user, id: bytes(options.user.id) };
  if (options.excludeCredentials) found.excludeCredentials = known(options.excludeCredentials);
  if (options.allowCredentials) found.allowCredentials = known(options.allowCredentials);
  return found;
}

function answered(credential) {
  const { response } = credential;
  const found = { clientDataJSON: text(response.clientDataJSON) };
  if (response.attestationObject) {
    found.attestationObject = text(response.attestationObject);
    found.transports = response.getTransports ? response.getTransports() : [];
  } else {
    found.authenticatorData = text(response.authenticatorData);
    found.signature = text(response.signature);
    found.userHandle = response.userHandle && response.userHandle.byteLength ? text(response.userHandle) : null;
  }
  return JSON.stringify({
    id: credential.id, rawId: text(credential.rawId), type: credential.type, response: found,
    authenticatorAttachment: credential.authenticatorAttachment, clientExtensionResults: {},
  });
}

async function run(form) {
  const answer = await fetch(form.dataset.options, {
    method: "POST", headers: { "X-CSRFToken": form.elements.csrf_token.value },
  });
  if (answer.redirected) { // the last proof is too old: the page asks for one, and one comes back
    location.assign(answer.url);
    return;
  }
  if (!answer.ok) throw new Error(String(answer.status));
  const publicKey = asked(await answer.json());
  const make = form.dataset.passkey === "make";
  const credential = await (make ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }));
  form.elements.answer.value = answered(credential);
  form.submit();
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const here = location.hostname === form.dataset.host;
  if (!window.PublicKeyCredential || !here) continue;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    const fault = form.querySelector("[role=status]");
    button.disabled = true;
    fault.hidden = true;
    try {
      await run(form);
    } catch {
      fault.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
}
