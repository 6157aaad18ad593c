// The banner may speak before the glass house is built: remember what it said, and when.
window.demoHeard = [];
for (const name of ["shown", "change", "withdrawn"]) {
  addEventListener(`poort:${name}`, () => {
    window.demoHeard.push({ name, at: performance.now() });
    dispatchEvent(new Event("demo:heard"));
  });
}
