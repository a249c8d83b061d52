/** Wrong resource texts with every message that they must give. */

export interface WrongResource {
  readonly mistake: string;
  readonly text: string;
  readonly messages: readonly string[];
}

const server = (spec: string): string =>
  `apiVersion: homing.dev/v1alpha1\nkind: HomeServer\nmetadata: {name: nuc}\nspec:\n${spec}`;
const camera = (spec: string): string =>
  `apiVersion: homing.dev/v1alpha1\nkind: CameraClient\nmetadata: {name: door}\nspec:\n${spec}`;
const bundle = (spec: string): string =>
  `apiVersion: homing.dev/v1alpha1\nkind: TrustBundle\nmetadata: {name: home}\nspec:\n${spec}`;
const secret = (rest: string): string => `apiVersion: v1\nkind: Secret\nmetadata: {name: door}\n${rest}`;

export const wrongResources: readonly WrongResource[] = [
  {
    mistake: 'a document that is no object',
    text: 'just a text\n',
    messages: ['home.yaml:1: must be a resource: an object with apiVersion, kind, metadata'],
  },
  {
    mistake: 'a list of resources',
    text: '- apiVersion: v1\n- kind: Secret\n',
    messages: ['home.yaml:1: must be a resource: an object with apiVersion, kind, metadata'],
  },
  {
    mistake: 'no kind',
    text: 'apiVersion: homing.dev/v1alpha1\nmetadata: {name: x}\n',
    messages: [
      'home.yaml:1: kind: missing: must be one of HomeServer, CameraClient, TrustBundle, Secret, ConfigMap',
    ],
  },
  {
    mistake: 'a misspelt kind',
    text: 'apiVersion: homing.dev/v1alpha1\nkind: HomeSever\n',
    messages: ['home.yaml:2: kind: found "HomeSever": did you mean HomeServer?'],
  },
  {
    mistake: "a kind of somebody else's",
    text: 'apiVersion: apps/v1\nkind: Deployment\n',
    messages: [
      'home.yaml:2: kind: found "Deployment": must be one of HomeServer, CameraClient, TrustBundle, Secret, ConfigMap',
    ],
  },
  {
    mistake: 'an old group version',
    text: 'apiVersion: homing.dev/v1beta1\nkind: HomeServer\nmetadata: {name: x}\nspec: {}\n',
    messages: [
      'home.yaml:1: apiVersion: found "homing.dev/v1beta1": must be homing.dev/v1alpha1 for a HomeServer',
    ],
  },
  {
    mistake: 'no apiVersion',
    text: 'kind: HomeServer\n',
    messages: ['home.yaml:1: apiVersion: missing: must be homing.dev/v1alpha1 for a HomeServer'],
  },
  {
    mistake: 'no metadata',
    text: 'apiVersion: homing.dev/v1alpha1\nkind: HomeServer\nspec: {}\n',
    messages: ['home.yaml:1: metadata: missing: must be an object (name, labels, annotations)'],
  },
  {
    mistake: 'no spec',
    text: 'apiVersion: homing.dev/v1alpha1\nkind: HomeServer\nmetadata: {name: nuc}\n',
    messages: [
      'home.yaml:1: spec: missing: must be an object (identifier, external, features, max, listen, announce, peers, sinks, drain)',
    ],
  },
  {
    mistake: 'a name that is no label',
    text: 'apiVersion: homing.dev/v1alpha1\nkind: HomeServer\nmetadata: {name: NUC_1}\nspec: {}\n',
    messages: [
      'home.yaml:3: metadata.name: found "NUC_1": must be a DNS label: 1 to 63 characters [a-z0-9-], no dash first or last',
    ],
  },
  {
    mistake: 'a namespace on a server',
    text: 'apiVersion: homing.dev/v1alpha1\nkind: HomeServer\nmetadata: {name: nuc, namespace: home}\nspec: {}\n',
    messages: ['home.yaml:3: metadata.namespace: unknown field: known here are name, labels, annotations'],
  },
  {
    mistake: 'a misspelt field',
    text: server('  feature: [db]\n'),
    messages: ['home.yaml:5: spec.feature: unknown field: did you mean "features"?'],
  },
  {
    mistake: 'a field that is near to nothing',
    text: server('  colour: blue\n'),
    messages: [
      'home.yaml:5: spec.colour: unknown field: known here are identifier, external, features, max, listen, announce, peers, sinks, drain',
    ],
  },
  {
    mistake: 'a field of another object',
    text: server('  announce:\n    port: 1\n'),
    messages: [
      'home.yaml:6: spec.announce.port: unknown field: known here are enabled, interval, interfaces, excludeInterfaces',
    ],
  },
  {
    mistake: 'a number above its bound',
    text: server('  max: 100001\n'),
    messages: ['home.yaml:5: spec.max: found 100001: must be a whole number from 0 to 100000'],
  },
  {
    mistake: 'a number below its bound',
    text: server('  max: -1\n'),
    messages: ['home.yaml:5: spec.max: found -1: must be a whole number from 0 to 100000'],
  },
  {
    mistake: 'a fraction',
    text: server('  max: 2.5\n'),
    messages: ['home.yaml:5: spec.max: found 2.5: must be a whole number from 0 to 100000'],
  },
  {
    mistake: 'a number as a text',
    text: server('  listen:\n    port: "17320"\n'),
    messages: ['home.yaml:6: spec.listen.port: found "17320": must be a whole number from 1 to 65535'],
  },
  {
    mistake: 'port 0',
    text: server('  listen: {port: 0}\n'),
    messages: ['home.yaml:5: spec.listen.port: found 0: must be a whole number from 1 to 65535'],
  },
  {
    mistake: 'a boolean as a word',
    text: server('  announce:\n    enabled: yes\n'),
    messages: ['home.yaml:6: spec.announce.enabled: found "yes": must be true or false'],
  },
  {
    mistake: 'a duration without a unit',
    text: server('  announce: {interval: "10"}\n'),
    messages: ['home.yaml:5: spec.announce.interval: found "10": must be a duration from 1s to 5m'],
  },
  {
    mistake: 'a duration that is too short',
    text: server('  announce: {interval: 10ms}\n'),
    messages: ['home.yaml:5: spec.announce.interval: found "10ms": must be a duration from 1s to 5m'],
  },
  {
    mistake: 'a wrong identifier',
    text: server('  identifier: hcsp:/PtPvXYJSQsqwTJpPGjwog\n'),
    messages: [
      'home.yaml:5: spec.identifier: found "hcsp:/PtPvXYJSQsqwTJpPGjwog": must be the 22 characters [A-Za-z0-9+/] of an identifier',
    ],
  },
  {
    mistake: 'a wrong feature',
    text: server('  features: [db, Webs]\n'),
    messages: ['home.yaml:5: spec.features[1]: found "Webs": must be 1 to 32 characters [a-z0-9.-]'],
  },
  {
    mistake: 'a repeated feature',
    text: server('  features: [db, db]\n'),
    messages: ['home.yaml:5: spec.features: found a list of 2: must name each only once'],
  },
  {
    mistake: '33 features',
    text: server(`  features: [${Array.from({ length: 33 }, (_, index) => `f${index}`).join(', ')}]\n`),
    messages: ['home.yaml:5: spec.features: found a list of 33: must be a list of at most 32'],
  },
  {
    mistake: 'a list that is a text',
    text: server('  features: db\n'),
    messages: ['home.yaml:5: spec.features: found a text: must be a list'],
  },
  {
    mistake: 'a peer without a port',
    text: server('  peers:\n  - 192.168.9.4\n'),
    messages: ['home.yaml:6: spec.peers[0]: found "192.168.9.4": must be HOST:PORT or [IPV6]:PORT'],
  },
  {
    mistake: "a peer's port above 65535",
    text: server('  peers:\n  - nas.local:17320\n  - "[fd00::9]:70000"\n'),
    messages: ['home.yaml:7: spec.peers[1]: found "[fd00::9]:70000": must have a port from 1 to 65535'],
  },
  {
    mistake: 'a sink of two kinds',
    text: server('  sinks:\n  - name: disk\n    record: {}\n    live: {}\n'),
    messages: [
      'home.yaml:6: spec.sinks[0]: found fields name, record, live: exactly one of record, live, exec',
    ],
  },
  {
    mistake: 'a sink of no kind',
    text: server('  sinks:\n  - name: disk\n'),
    messages: ['home.yaml:6: spec.sinks[0]: found fields name: exactly one of record, live, exec'],
  },
  {
    mistake: 'two sinks of a kind',
    text: server('  sinks:\n  - {name: a, record: {}}\n  - {name: b, record: {}}\n'),
    messages: ['home.yaml:5: spec.sinks: found a list of 2: at most one sink of a kind'],
  },
  {
    mistake: 'two sinks of a name',
    text: server('  sinks:\n  - {name: a, record: {}}\n  - {name: a, live: {}}\n'),
    messages: ['home.yaml:5: spec.sinks: found a list of 2: must give each sink its own name'],
  },
  {
    mistake: 'a quantity of nothing',
    text: server('  sinks:\n  - name: disk\n    record: {maxSize: 0Gi}\n'),
    messages: [
      'home.yaml:7: spec.sinks[0].record.maxSize: found "0Gi": must be a quantity above 0, like 200Gi',
    ],
  },
  {
    mistake: 'a durability in lower case',
    text: server('  sinks:\n  - name: disk\n    record: {durability: synced}\n'),
    messages: [
      'home.yaml:7: spec.sinks[0].record.durability: found "synced": must be one of Written, Synced',
    ],
  },
  {
    mistake: 'a wrong key pin',
    text: server('  external: {publicKey: sha256:abc}\n'),
    messages: [
      'home.yaml:5: spec.external.publicKey: found "sha256:abc": must be sha256: and 64 lower-case hexadecimal digits',
    ],
  },
  {
    mistake: 'a drain that is no choice',
    text: server('  drain: Always\n'),
    messages: ['home.yaml:5: spec.drain: found "Always": must be one of OnCordon, Now, Never'],
  },
  {
    mistake: 'no source',
    text: camera('  suspend: false\n'),
    messages: [
      'home.yaml:4: spec.source: missing: must be an object (rtsp, http, rtmp, exec, file, test, native, credentialsRef, media)',
    ],
  },
  {
    mistake: 'an empty source',
    text: camera('  source: {}\n'),
    messages: [
      'home.yaml:5: spec.source: found no fields: exactly one of rtsp, http, rtmp, exec, file, test, native',
    ],
  },
  {
    mistake: 'two sources',
    text: camera('  source:\n    test: {}\n    rtsp: {url: "rtsp://cam/1"}\n'),
    messages: [
      'home.yaml:5: spec.source: found fields test, rtsp: exactly one of rtsp, http, rtmp, exec, file, test, native',
    ],
  },
  {
    mistake: 'a source without its URL',
    text: camera('  source: {rtsp: {}}\n'),
    messages: ['home.yaml:5: spec.source.rtsp.url: missing: must be a text of 1 to 2048 characters'],
  },
  {
    mistake: 'a URL with a password',
    text: camera('  source: {rtsp: {url: "rtsp://admin:hunter2@cam/1"}}\n'),
    messages: [
      'home.yaml:5: spec.source.rtsp.url: found a text: must hold no user or password: use credentialsRef',
    ],
  },
  {
    mistake: 'a URL with a wrong scheme',
    text: camera('  source: {rtsp: {url: "http://cam/1"}}\n'),
    messages: [
      'home.yaml:5: spec.source.rtsp.url: found "http://cam/1": must be a URL with scheme rtsp or rtsps',
    ],
  },
  {
    mistake: 'a URL with a blank',
    text: camera('  source: {rtsp: {url: "rtsp://cam/stream 1"}}\n'),
    messages: [
      'home.yaml:5: spec.source.rtsp.url: found "rtsp://cam/stream 1": must be printable ASCII without blanks, quotes and backslashes (percent-encode them)',
    ],
  },
  {
    mistake: 'credentials for a test camera',
    text: camera('  source: {test: {}, credentialsRef: {name: door}}\n'),
    messages: [
      'home.yaml:5: spec.source: found fields test, credentialsRef: credentialsRef goes with rtsp, http or rtmp',
    ],
  },
  {
    mistake: 'credentials as a text',
    text: camera('  source:\n    rtsp: {url: "rtsp://cam/1"}\n    credentialsRef: hunter2\n'),
    messages: ['home.yaml:7: spec.source.credentialsRef: found a text: must be an object (name)'],
  },
  {
    mistake: 'a password beside the URL',
    text: camera('  source: {rtsp: {url: "rtsp://cam/1", password: hunter2}}\n'),
    messages: ['home.yaml:5: spec.source.rtsp.password: unknown field: known here are url, transport'],
  },
  {
    mistake: 'a test camera of 0 frames a second',
    text: camera('  source: {test: {fps: 0}}\n'),
    messages: ['home.yaml:5: spec.source.test.fps: found 0: must be a whole number from 1 to 60'],
  },
  {
    mistake: 'a file outside of the media folder',
    text: camera('  source: {file: {name: ../../etc/passwd}}\n'),
    messages: [
      'home.yaml:5: spec.source.file.name: found "../../etc/passwd": must be the name of a file in the media folder: [A-Za-z0-9._ -], no dot first',
    ],
  },
  {
    mistake: 'a media type that nobody knows',
    text: camera('  source: {test: {}, media: video/mp4}\n'),
    messages: [
      'home.yaml:5: spec.source.media: found "video/mp4": must be one of video/mp2t, application/x-ndjson, text/plain, application/octet-stream',
    ],
  },
  {
    mistake: 'a negative weight',
    text: camera('  source: {test: {}}\n  selection: {weights: {gpu: -1}}\n'),
    messages: ['home.yaml:6: spec.selection.weights.gpu: found -1: must be a whole number from 0 to 1000'],
  },
  {
    mistake: 'a weight for no feature',
    text: camera('  source: {test: {}}\n  selection: {weights: {GPU!: 1}}\n'),
    messages: [
      'home.yaml:6: spec.selection.weights."GPU!": found "GPU!": must be 1 to 32 characters [a-z0-9.-]',
    ],
  },
  {
    mistake: 'a mode in lower case',
    text: camera('  source: {test: {}}\n  selection: {mode: best}\n'),
    messages: ['home.yaml:6: spec.selection.mode: found "best": must be one of Best, AnyValid'],
  },
  {
    mistake: 'a native camera with a selection',
    text: camera('  source: {native: {}}\n  selection: {mode: Best}\n'),
    messages: [
      'home.yaml:4: spec: found fields source, selection: selection and source.native exclude each other: a native client says its own in its hello',
    ],
  },
  {
    mistake: 'an ackTimeout of an hour',
    text: camera('  source: {test: {}}\n  handover: {ackTimeout: 1h}\n'),
    messages: ['home.yaml:6: spec.handover.ackTimeout: found "1h": must be a duration from 100ms to 1m'],
  },
  {
    mistake: 'a further stream called main',
    text: camera('  source: {test: {}}\n  streams:\n  - {name: main, url: "rtsp://cam/2"}\n'),
    messages: [
      'home.yaml:7: spec.streams[0]: found fields name, url: main is the source itself: needs another name',
    ],
  },
  {
    mistake: 'an empty bundle',
    text: bundle('  sources: []\n'),
    messages: ['home.yaml:4: spec: found fields sources: needs sources or deny'],
  },
  {
    mistake: 'a private key in a bundle',
    text: bundle(
      '  sources:\n  - inline: |\n      -----BEGIN PRIVATE KEY-----\n      hunter2\n      -----END PRIVATE KEY-----\n      -----BEGIN CERTIFICATE-----\n',
    ),
    messages: [
      'home.yaml:6: spec.sources[0].inline: found a text: holds a private key: put certificates only, and treat that key as leaked',
    ],
  },
  {
    mistake: 'a bundle that is no PEM',
    text: bundle('  sources:\n  - inline: TUlJQg==\n'),
    messages: ['home.yaml:6: spec.sources[0].inline: found "TUlJQg==": must be PEM certificates'],
  },
  {
    mistake: "a bundle's source of two kinds",
    text: bundle('  sources:\n  - configMap: {name: a}\n    secret: {name: a}\n'),
    messages: [
      'home.yaml:6: spec.sources[0]: found fields configMap, secret: exactly one of inline, configMap, secret',
    ],
  },
  {
    mistake: 'a denied certificate hash in capitals',
    text: bundle(`  deny:\n  - sha256: ${'A'.repeat(64)}\n`),
    messages: [
      'home.yaml:6: spec.deny[0].sha256: found a text of 64 characters: must be 64 lower-case hexadecimal digits',
    ],
  },
  {
    mistake: 'a denied key and identifier in one',
    text: bundle(`  deny:\n  - {sha256: ${'a'.repeat(64)}, identifier: "ab:EIW6Qe0ARnWrsJZTsHWada"}\n`),
    messages: [
      'home.yaml:6: spec.deny[0]: found fields sha256, identifier: exactly one of sha256, identifier',
    ],
  },
  {
    mistake: 'a number as a password',
    text: secret('stringData: {password: 1234}\n'),
    messages: [
      'home.yaml:4: stringData.password: found a number: must be a text of at most 1048576 characters',
    ],
  },
  {
    mistake: 'plain text under data',
    text: secret('data:\n  password: hunter2!\n'),
    messages: ['home.yaml:5: data.password: found a text: must be base64 (plain text goes under stringData)'],
  },
  {
    mistake: 'a list as a secret',
    text: secret('stringData: [hunter2]\n'),
    messages: ['home.yaml:4: stringData: found a list of 1: must be an object (name: value)'],
  },
  {
    mistake: 'a misspelt stringData',
    text: secret('stringdata: {password: hunter2}\n'),
    messages: ['home.yaml:4: stringdata: unknown field: did you mean "stringData"?'],
  },
  {
    mistake: 'a field twice',
    text: server('  max: 1\n  max: 2\n'),
    messages: ['home.yaml:6: field is there twice: must be there once'],
  },
  {
    mistake: 'a tab',
    text: server('\tmax: 1\n'),
    messages: ['home.yaml:5: indented with a tab: must be spaces'],
  },
  {
    mistake: 'wrong indentation',
    text: server('  max: 1\n   drain: Now\n'),
    messages: ['home.yaml:5: wrong indentation, or a text with ": " in it that must be in quotes'],
  },
  {
    mistake: 'a bracket that is not closed',
    text: server('  features: [db\n'),
    messages: ['home.yaml:6: wrong indentation, or a bracket above that is not closed'],
  },
  {
    mistake: 'a quote that is not closed',
    text: secret('stringData: {password: "hunter2}\n'),
    messages: [
      'home.yaml:5: something is missing: a closing quote or bracket, or the colon after a field name',
    ],
  },
  {
    mistake: 'a text with a colon',
    text: secret('stringData:\n  password: hunter2: x\n'),
    messages: ['home.yaml:5: wrong indentation, or a text with ": " in it that must be in quotes'],
  },
  {
    mistake: 'an alias of nothing',
    text: secret('stringData:\n  password: *hunter2\n'),
    messages: [
      'home.yaml:5: an alias (*name) must come after its anchor (&name); quote a text that begins with *',
    ],
  },
  {
    mistake: 'an alias inside of its anchor',
    text: server('  features: &f [*f]\n'),
    messages: ['home.yaml:5: an alias (*name) must not stand inside of its own anchor'],
  },
  {
    mistake: 'a tag',
    text: server('  features: !set [db]\n'),
    messages: ['home.yaml:5: tags (!name) are not taken: write plain values'],
  },
  {
    mistake: 'a reserved character',
    text: secret('stringData:\n  password: @hunter2\n'),
    messages: ['home.yaml:5: a text that begins with @ or ` must be in quotes'],
  },
  {
    mistake: 'an unknown escape',
    text: secret('stringData:\n  password: "hunter2\\q"\n'),
    messages: [
      'home.yaml:5: unknown escape in a text in double quotes: write \\\\ for a backslash, or use single quotes',
    ],
  },
  {
    mistake: 'an object as a field name',
    text: server('  ? {a: b}\n  : c\n'),
    messages: ['home.yaml:5: a field name must be a text'],
  },
];
