___INFO___

{
  "type": "TAG",
  "id": "cvt_temp_public_id",
  "version": 1,
  "securityGroups": [],
  "displayName": "Poort consent",
  "brand": {
    "id": "brand_poort",
    "displayName": "Poort"
  },
  "categories": [
    "TAG_MANAGEMENT",
    "UTILITY"
  ],
  "description": "Tells Google's consent mode what the visitor chose in Poort: everything denied at first, one update for each choice.",
  "containerContexts": [
    "WEB"
  ]
}


___TEMPLATE_PARAMETERS___

[
  {
    "type": "TEXT",
    "name": "waitForUpdate",
    "displayName": "Milliseconds that Google's tags wait for the choice",
    "simpleValueType": true,
    "defaultValue": "500",
    "valueValidators": [
      {
        "type": "NON_NEGATIVE_NUMBER"
      }
    ],
    "help": "How long tags wait for Poort to say what an earlier page was told. 500 is enough where Poort's script stands in the head."
  }
]


___SANDBOXED_JS_FOR_WEB_TEMPLATE___

// Fires on Consent Initialization, and again on the event poort_consent, which Poort pushes for each choice and on each page with one.

const callInWindow = require('callInWindow');
const gtagSet = require('gtagSet');
const makeNumber = require('makeNumber');
const setDefaultConsentState = require('setDefaultConsentState');
const templateStorage = require('templateStorage');
const updateConsentState = require('updateConsentState');

const word = (yes) => yes ? 'granted' : 'denied';

// What was said of a tracker itself beats its category; a tracker that the site does not use says nothing.
const allows = (state, ids, category) => {
  const used = ids.filter((id) => !!state.trackers[id]);
  return used.length ? used.every((id) => state.trackers[id].allow) : state.categories[category];
};

const types = (ads, analytics, functional) => ({
  ad_storage: word(ads),
  ad_user_data: word(ads),
  ad_personalization: word(ads),
  analytics_storage: word(analytics),
  functionality_storage: word(functional),
  personalization_storage: word(functional),
  security_storage: 'granted'
});

// Once a page, and before anything else, whichever trigger came first.
if (!templateStorage.getItem('default')) {
  const all = types(false, false, false);
  all.wait_for_update = makeNumber(data.waitForUpdate || 500);
  setDefaultConsentState(all);
  gtagSet({ads_data_redaction: true, url_passthrough: false});
  templateStorage.setItem('default', true);
}

// Poort may not be there yet: then its event comes later, and until then everything stays denied.
const state = callInWindow('Poort.getConsent');
if (state && state.record && state.record !== templateStorage.getItem('record')) {
  const ads = allows(state, ['gads', 'dclk'], 'marketing');
  gtagSet({ads_data_redaction: !ads});
  updateConsentState(types(ads, allows(state, ['ga4'], 'analytics'), state.categories.functional));
  templateStorage.setItem('record', state.record);
}

data.gtmOnSuccess();


___WEB_PERMISSIONS___

[
  {
    "instance": {
      "key": {
        "publicId": "access_consent",
        "versionId": "1"
      },
      "param": [
        {
          "key": "consentTypes",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "consentType"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "ad_storage"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "consentType"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "ad_user_data"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "consentType"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "ad_personalization"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "consentType"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "analytics_storage"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "consentType"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "functionality_storage"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "consentType"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "personalization_storage"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "consentType"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "security_storage"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  },
  {
    "instance": {
      "key": {
        "publicId": "access_globals",
        "versionId": "1"
      },
      "param": [
        {
          "key": "keys",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "key"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  },
                  {
                    "type": 1,
                    "string": "execute"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "Poort.getConsent"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  },
  {
    "instance": {
      "key": {
        "publicId": "access_template_storage",
        "versionId": "1"
      },
      "param": []
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  },
  {
    "instance": {
      "key": {
        "publicId": "write_data_layer",
        "versionId": "1"
      },
      "param": [
        {
          "key": "keyPatterns",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 1,
                "string": "ads_data_redaction"
              },
              {
                "type": 1,
                "string": "url_passthrough"
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  }
]


___TESTS___

scenarios:
- name: Everything is denied while Poort is not there
  code: |-
    mock('callInWindow', () => undefined);
    runCode({waitForUpdate: '500', gtmOnSuccess: () => {}});
    assertApi('setDefaultConsentState').wasCalled();
    assertApi('updateConsentState').wasNotCalled();
- name: A choice is told once
  code: |-
    const kept = {};
    mockObject('templateStorage', {getItem: (key) => kept[key], setItem: (key, value) => { kept[key] = value; }});
    let updates = 0;
    mock('updateConsentState', () => { updates = updates + 1; });
    mock('callInWindow', () => ({
      record: 'one',
      categories: {functional: true, analytics: true, marketing: false},
      trackers: {ga4: {allow: true}}
    }));
    runCode({waitForUpdate: '500', gtmOnSuccess: () => {}});
    runCode({waitForUpdate: '500', gtmOnSuccess: () => {}});
    assertThat(updates).isEqualTo(1);
setup: ''


___NOTES___

Made for Poort. What is sent when: docs/signals.md.
