// A chart's columns one by one: by a slider, which keys, fingers and screen readers know, or by pointing. Its values are
// said by the slider and stand in a line beneath. Without script a column says them when it is pointed at.
for (const chart of document.querySelectorAll("[data-chart]")) {
  const box = chart.querySelector(".scroll");
  const told = chart.querySelector(".told");
  const columns = [...chart.querySelectorAll(".column")];
  if (!columns.length) continue;
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: columns.length - 1, value: columns.length - 1, className: "slider" });
  slider.setAttribute("aria-labelledby", box.getAttribute("aria-labelledby"));
  const show = () => {
    chart.querySelector(".column.here")?.classList.remove("here");
    const column = columns[slider.value];
    column.classList.add("here");
    told.hidden = false;
    told.textContent = column.querySelector("title").textContent;
    slider.setAttribute("aria-valuetext", told.textContent);
  };
  slider.addEventListener("input", () => {
    show();
    columns[slider.value].scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  columns.forEach((column, number) => column.addEventListener("pointerenter", () => {
    slider.value = number;
    show();
  }));
  box.after(slider);
  slider.setAttribute("aria-valuetext", columns.at(-1).querySelector("title").textContent);
  box.scrollLeft = box.scrollWidth; // the last days first
}
