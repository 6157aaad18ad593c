// The shop itself: it sells pots to everybody, whatever they chose.

const basket = document.querySelector("#basket");

for (const button of document.querySelectorAll(".add")) {
  button.addEventListener("click", () => { basket.textContent = Number(basket.textContent) + 1; });
}

const ask = (selector, act) => {
  for (const button of document.querySelectorAll(selector)) {
    button.addEventListener("click", () => window.Poort?.onReady(() => act(window.Poort)));
  }
};

ask(".functional", (poort) => poort.acceptCategory("functional"));
ask(".settings", (poort) => poort.showPreferences());
