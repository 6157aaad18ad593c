// A chart's columns one by one: with the arrow keys, and told in a line beneath. Without script they say it on pointing.
for (const chart of document.querySelectorAll("[data-chart]")) {
  const box = chart.querySelector("[tabindex]");
  const told = chart.querySelector(".told");
  const columns = [...chart.querySelectorAll(".column")];
  let at = -1;
  const show = (next) => {
    if (at >= 0) columns[at].classList.remove("here");
    at = next;
    columns[at].classList.add("here");
    told.hidden = false;
    told.textContent = columns[at].querySelector("title").textContent;
  };
  const steps = { ArrowRight: () => at + 1, ArrowLeft: () => at - 1, Home: () => 0, End: () => columns.length - 1 };
  box.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step || !columns.length) return;
    event.preventDefault();
    show(Math.min(Math.max(step(), 0), columns.length - 1));
  });
  columns.forEach((column, number) => column.addEventListener("pointerenter", () => show(number)));
}
