"""What is said of the parts of a vendor's snippet, by the keys of snippets.py; the console translates it."""

from typing import Final

mark = str  # marks a sentence that the pages translate

WHAT: Final = {
    "script": mark("script"),
    "code": mark("code"),
    "frame": mark("frame"),
    "image": mark("image"),
    "sheet": mark("style sheet"),
    "noscript": mark("part for browsers without script"),
    "hint": mark("hint to the browser"),
    "markup": mark("element"),
}

FATES: Final = {"gated": mark("waits"), "dropped": mark("left out"), "kept": mark("as it was")}

REASONS: Final = {
    # of a part
    "several": mark("Serves several trackers: it loads once all of them are allowed."),
    "stranger": mark("Also names a host that no tracker in the catalogue has: it waits for marketing as well."),
    "unrecognised": mark("Not recognised: it waits for marketing until you say what it is."),
    "shared": mark("Google's tags share this code, and no account number tells which it is for: it "
                   "waits for marketing."),
    "noscript": mark("Loads in browsers without script, where nobody can be asked for consent: take it"
                     " off the page (K6)."),
    "hint": mark("Makes the browser call on the vendor before there is consent: take it off the page (A2)."),
    "odd": mark("Browsers do not agree on how to read this: it can not be gated safely. Put it in a file of its own."),
    "cut": mark("Has no end tag: everything to the end of the snippet is taken for its code."),
    "kept_data": mark("Data that runs nothing."),
    "already": mark("Waits already."),
    "wrapped": mark("Would load or run something by itself: it stands in a template until it is allowed."),
    "write": mark("Writes into the page while it loads (document.write): that does not work once it "
                  "waits. Ask the vendor for the asynchronous form."),
    "late": mark("Waits for the page to have loaded: by the time of the consent that is over, so it may not start."),
    "consent_mode": mark("Sets Google's consent itself: Poort does that, so take the gtag('consent', "
                         "...) calls out (J2)."),
    "handler": mark("Has code in its onload or onerror, which does not run when Poort loads it: put "
                    "that code in a script behind it."),
    # of the whole
    "nothing": mark("There is nothing in it that loads or runs."),
    "replace": mark("Put this in the place of the vendor's snippet, and take the old one off every "
                    "page and out of your tag manager."),
    "container": mark("A container loads its tags together with itself: in Tag Manager each of them "
                      "needs a consent check of its own."),
    "embed": mark("Visitors see a placeholder until they choose: give a frame its width, height and title."),
    "unknown": mark("Find out whose the unknown part is, and describe it as a tracker of your own: "
                    "then it waits under its own name and stands in the declaration."),
}
