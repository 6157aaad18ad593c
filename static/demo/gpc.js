// What a browser with Global Privacy Control says by itself; has to run before the banner does.
Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { configurable: true, get: () => true });
