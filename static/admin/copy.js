// A button that copies the text of the element its data-copy names. Without script the text is there to select.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.textContent = button.dataset.done;
      setTimeout(() => { button.textContent = label; }, 2000);
    } catch {
      // No clipboard on plain http: select it, so that one key copies it.
      getSelection().selectAllChildren(source);
      source.focus();
    }
  });
}
