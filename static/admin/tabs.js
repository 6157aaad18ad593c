// On a phone the tabs of a site scroll: bring the one that is open into view.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
