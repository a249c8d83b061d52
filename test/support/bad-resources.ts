/** Resources that nobody may have, each with what the API server and what a reader of files says of it. */
import { homingApiVersion } from '../../crds/metadata.ts';

export interface BadResource {
  readonly what: string;
  readonly resource: object;
  /** In the API server's refusal. */
  readonly fromServer: string;
  /** In the problem that is shown for a file; the API server's sentence where absent. */
  readonly fromFile?: string;
}

const of = (kind: string, spec: unknown, metadata: object = {}) => ({
  apiVersion: homingApiVersion,
  kind,
  metadata: { name: 'bad', ...metadata },
  spec,
});
const hs = (spec: unknown, metadata?: object) => of('HomeServer', spec, metadata);
const cam = (spec: unknown, metadata?: object) =>
  of('CameraClient', spec, { namespace: 'default', ...metadata });
const from = (source: unknown) => cam({ source });
const rtsp = (url: unknown) => from({ rtsp: { url } });
const trust = (spec: unknown) => of('TrustBundle', spec);
const test = { test: {} };
const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const hash = 'a'.repeat(64);
const many = <Item>(count: number, make: (index: number) => Item): readonly Item[] =>
  Array.from({ length: count }, (_, n) => make(n));

const url = 'must be a URL with scheme rtsp or rtsps';
const printable = 'must be printable ASCII without blanks, quotes and backslashes (percent-encode them)';
const noPassword = 'must hold no user or password: use credentialsRef';
const oneSource = 'exactly one of rtsp, http, rtmp, exec, file, test, native';
const anIdentifier = 'must be the 22 characters [A-Za-z0-9+/] of an identifier';
const aQuantity = 'must be a quantity above 0, like 200Gi';
const aLabel = 'must be a DNS label';

/** A row: what, resource, the API server's words, a file's words. */
type Row = readonly [string, object, string, string?];

const servers: readonly Row[] = [
  ['a server without spec', { ...hs({}), spec: undefined }, 'spec: Required value', 'spec'],
  [
    'a spec that is text',
    hs('none'),
    'spec: Invalid value: "string": spec in body must be of type object',
    'spec',
  ],
  ['a name with dots', hs({}, { name: 'pi.lan' }), 'metadata.name: Invalid value', aLabel],
  ['a name of 64 characters', hs({}, { name: 'a'.repeat(64) }), 'metadata.name: Too long', '63'],
  ['an unknown field', hs({ maks: 3 }), 'unknown field "spec.maks"', 'maks'],
  ['a short identifier', hs({ identifier: 'abc' }), 'spec.identifier: Invalid value', anIdentifier],
  [
    'an identifier with its scheme',
    hs({ identifier: 'hcsp:/PtPvXYJSQsqwTJpPGjwog' }),
    'spec.identifier: Too long',
    '22',
  ],
  [
    'an identifier in URL letters',
    hs({ identifier: '_PtPvXYJSQsqwTJpPGjwog' }),
    'spec.identifier: Invalid value',
    anIdentifier,
  ],
  [
    'a max below 0',
    hs({ max: -1 }),
    'spec.max: Invalid value: -1: spec.max in body should be greater than or equal to 0',
    'spec.max',
  ],
  ['a max above 100000', hs({ max: 100_001 }), 'should be less than or equal to 100000', '100000'],
  ['half a client', hs({ max: 1.5 }), 'spec.max', 'spec.max'],
  ['a max in words', hs({ max: 'five' }), 'must be of type integer', 'spec.max'],
  [
    'a feature in capitals',
    hs({ features: ['GPU'] }),
    'spec.features[0]: Invalid value',
    'must be 1 to 32 characters [a-z0-9.-]',
  ],
  [
    'a feature of 33 characters',
    hs({ features: ['a'.repeat(33)] }),
    'spec.features[0]: Too long',
    'spec.features[0]',
  ],
  [
    'a feature twice',
    hs({ features: ['gpu', 'gpu'] }),
    'spec.features[1]: Duplicate value: "gpu"',
    'must name each only once',
  ],
  [
    '33 features',
    hs({ features: many(33, (n) => `f${n}`) }),
    'spec.features: Too many: 33: must have at most 32 items',
    '32',
  ],
  ['port 0', hs({ listen: { port: 0 } }), 'spec.listen.port: Invalid value: 0', 'spec.listen.port'],
  ['port 70000', hs({ listen: { port: 70_000 } }), 'should be less than or equal to 65535', '65535'],
  ['an interval below a second', hs({ announce: { interval: '1ms' } }), 'must be a duration from 1s to 5m'],
  [
    'an interval without unit',
    hs({ announce: { interval: '10' } }),
    'spec.announce.interval',
    'must be a duration from 1s to 5m',
  ],
  [
    'an interval in days',
    hs({ announce: { interval: '1d' } }),
    'spec.announce.interval',
    'must be a duration from 1s to 5m',
  ],
  [
    'announcing that is neither true nor false',
    hs({ announce: { enabled: 'yes' } }),
    'must be of type boolean',
    'spec.announce.enabled',
  ],
  [
    '17 interfaces',
    hs({ announce: { interfaces: many(17, (n) => `eth${n}`) } }),
    'must have at most 16 items',
    '16',
  ],
  [
    'an interface without name',
    hs({ announce: { interfaces: [''] } }),
    'should be at least 1 chars long',
    'spec.announce.interfaces[0]',
  ],
  [
    'a peer without port',
    hs({ peers: ['192.168.1.9'] }),
    'spec.peers[0]: Invalid value',
    'must be HOST:PORT or [IPV6]:PORT',
  ],
  ['a peer at port 0', hs({ peers: ['192.168.1.9:0'] }), 'must have a port from 1 to 65535'],
  ['a peer at port 65536', hs({ peers: ['192.168.1.9:65536'] }), 'must have a port from 1 to 65535'],
  [
    'a peer as a URL',
    hs({ peers: ['https://nuc:17320'] }),
    'spec.peers[0]: Invalid value',
    'must be HOST:PORT or [IPV6]:PORT',
  ],
  [
    'an IPv6 peer without brackets',
    hs({ peers: ['fd00::9:17320'] }),
    'spec.peers[0]: Invalid value',
    'must be HOST:PORT or [IPV6]:PORT',
  ],
  ['33 peers', hs({ peers: many(33, (n) => `nuc${n}:17320`) }), 'must have at most 32 items', '32'],
  ['a sink of no kind', hs({ sinks: [{ name: 'a' }] }), 'exactly one of record, live, exec'],
  [
    'a sink of two kinds',
    hs({ sinks: [{ name: 'a', live: {}, record: {} }] }),
    'exactly one of record, live, exec',
  ],
  [
    'a sink without name',
    hs({ sinks: [{ live: {} }] }),
    'spec.sinks[0].name: Required value',
    'spec.sinks[0].name',
  ],
  [
    'two sinks of a name',
    hs({
      sinks: [
        { name: 'a', live: {} },
        { name: 'a', record: {} },
      ],
    }),
    'spec.sinks[1]: Duplicate value',
    'must give each sink its own name',
  ],
  [
    'two sinks of a kind',
    hs({
      sinks: [
        { name: 'a', live: {} },
        { name: 'b', live: {} },
      ],
    }),
    'at most one sink of a kind',
  ],
  ['a size of no bytes', hs({ sinks: [{ name: 'a', record: { maxSize: '0' } }] }), aQuantity],
  ['a size in words', hs({ sinks: [{ name: 'a', record: { maxSize: 'big' } }] }), aQuantity],
  [
    'an age of seconds',
    hs({ sinks: [{ name: 'a', record: { maxAge: '1s' } }] }),
    'must be a duration from 1m to 87600h',
  ],
  [
    'a durability that is not there',
    hs({ sinks: [{ name: 'a', record: { durability: 'Hoped' } }] }),
    'supported values: "Written", "Synced"',
    'durability',
  ],
  [
    'a command line',
    hs({ sinks: [{ name: 'a', exec: { command: 'rm -rf /' } }] }),
    'spec.sinks[0].exec.command: Invalid value',
    'must be the name of an installed command',
  ],
  [
    'a drain that is not there',
    hs({ drain: 'Later' }),
    'supported values: "OnCordon", "Now", "Never"',
    'spec.drain',
  ],
  [
    'a pin of MD5',
    hs({ external: { publicKey: 'md5:00' } }),
    'spec.external.publicKey: Invalid value',
    'must be sha256: and 64 lower-case hexadecimal digits',
  ],
  [
    'a pin in capitals',
    hs({ external: { publicKey: `sha256:${'A'.repeat(64)}` } }),
    'spec.external.publicKey: Invalid value',
    'must be sha256: and 64',
  ],
  [
    'an external address without port',
    hs({ external: { address: 'attic' } }),
    'spec.external.address: Invalid value',
    'must be HOST:PORT',
  ],
];

const cameras: readonly Row[] = [
  ['a camera without source', cam({}), 'spec.source: Required value', 'spec.source'],
  ['a source of no kind', from({}), oneSource],
  ['a source of two kinds', from({ test: {}, rtmp: {} }), oneSource],
  [
    'a name of two labels',
    cam({ source: test }, { name: 'front.door' }),
    'metadata.name: Invalid value',
    aLabel,
  ],
  ['a URL without scheme', rtsp('192.168.1.20/stream1'), url],
  ['a URL of another scheme', rtsp('http://192.168.1.20/'), url],
  ['a file as a URL', rtsp('file:///etc/passwd'), url],
  ['an RTSP URL for HTTP', from({ http: { url: 'rtsp://cam/' } }), 'must be a URL with scheme http or https'],
  ['a URL with a password', rtsp('rtsp://admin:secret@cam/'), noPassword],
  ['a URL with a password and a scheme in capitals', rtsp('RTSP://admin:secret@cam/'), noPassword],
  ['a URL with a user', rtsp('rtsp://admin@cam/'), noPassword],
  ['a URL with a quote', rtsp("rtsp://cam/a'b"), printable],
  [
    'a URL with a line end',
    rtsp('rtsp://cam/a\nfile:/etc/passwd'),
    'spec.source.rtsp.url',
    'spec.source.rtsp.url',
  ],
  ['a URL of nothing', rtsp(''), 'should be at least 1 chars long', 'spec.source.rtsp.url'],
  [
    'a URL of 2049 characters',
    rtsp(`rtsp://cam/${'a'.repeat(2038)}`),
    'may not be more than 2048 bytes',
    '2048',
  ],
  [
    'a transport that is not there',
    from({ rtsp: { url: 'rtsp://cam/', transport: 'QUIC' } }),
    'supported values: "TCP", "UDP"',
    'transport',
  ],
  [
    'credentials for a test picture',
    from({ test: {}, credentialsRef: { name: 'door' } }),
    'credentialsRef goes with rtsp, http or rtmp',
  ],
  [
    'credentials without a name',
    from({ rtmp: {}, credentialsRef: {} }),
    'spec.source.credentialsRef.name: Required value',
    'spec.source.credentialsRef.name',
  ],
  [
    'a Secret in another namespace',
    from({ rtmp: {}, credentialsRef: { name: 'other/door' } }),
    'spec.source.credentialsRef.name: Invalid value',
    'must be DNS labels [a-z0-9-] with dots between',
  ],
  [
    'a media type that cannot be cut',
    from({ test: {}, media: 'video/mp4' }),
    'supported values: "video/mp2t"',
    'spec.source.media',
  ],
  [
    'a film outside the media folder',
    from({ file: { name: '../../etc/passwd' } }),
    'spec.source.file.name: Invalid value',
    'must be the name of a file in the media folder',
  ],
  [
    'a film that is hidden',
    from({ file: { name: '.film.ts' } }),
    'spec.source.file.name: Invalid value',
    'no dot first',
  ],
  [
    '0 frames a second',
    from({ test: { fps: 0 } }),
    'spec.source.test.fps: Invalid value: 0',
    'spec.source.test.fps',
  ],
  ['61 frames a second', from({ test: { fps: 61 } }), 'should be less than or equal to 60', '60'],
  [
    'a command with a path',
    from({ exec: { command: '/bin/sh' } }),
    'spec.source.exec.command: Invalid value',
    'must be the name of an installed command',
  ],
  [
    'a second main stream',
    cam({ source: test, streams: [{ name: 'main', url: 'rtsp://cam/2' }] }),
    'main is the source itself: needs another name',
  ],
  [
    'two streams of a name',
    cam({ source: test, streams: many(2, (n) => ({ name: 'sub', url: `rtsp://cam/${n}` })) }),
    'spec.streams[1]: Duplicate value',
    'must give each stream its own name',
  ],
  [
    '5 further streams',
    cam({ source: test, streams: many(5, (n) => ({ name: `s${n}`, url: 'rtsp://cam/' })) }),
    'must have at most 4 items',
    '4',
  ],
  [
    'a stream without URL',
    cam({ source: test, streams: [{ name: 'sub' }] }),
    'spec.streams[0].url: Required value',
    'spec.streams[0].url',
  ],
  [
    'a bridge by address',
    cam({ source: test, bridge: { servers: ['192.168.1.9:17320'] } }),
    'spec.bridge.servers[0]: Invalid value',
    aLabel,
  ],
  [
    'a bridge twice',
    cam({ source: test, bridge: { servers: ['pi', 'pi'] } }),
    'spec.bridge.servers[1]: Duplicate value',
    'must name each only once',
  ],
  [
    '17 bridges',
    cam({ source: test, bridge: { servers: many(17, (n) => `pi${n}`) } }),
    'must have at most 16 items',
    '16',
  ],
  [
    'a bridge that is given no time',
    cam({ source: test, bridge: { bridgeTimeout: '0s' } }),
    'must be a duration from 1s to 5m',
  ],
  [
    'a mode that is not there',
    cam({ source: test, selection: { mode: 'Cheapest' } }),
    'supported values: "Best", "AnyValid"',
    'spec.selection.mode',
  ],
  [
    'a weight below 0',
    cam({ source: test, selection: { weights: { gpu: -1 } } }),
    'spec.selection.weights.gpu: Invalid value: -1',
    'spec.selection.weights.gpu',
  ],
  [
    'a weight above 1000',
    cam({ source: test, selection: { weights: { gpu: 1001 } } }),
    'should be less than or equal to 1000',
    '1000',
  ],
  [
    '33 weights',
    cam({
      source: test,
      selection: {
        weights: Object.fromEntries(many(33, (n) => [`f${n}`, 1] as const)),
      },
    }),
    'must have at most 32',
    'must have at most 32 fields',
  ],
  [
    'a weight of a feature in capitals',
    cam({ source: test, selection: { weights: { GPU: 1 } } }),
    'must be 1 to 32 characters [a-z0-9.-]',
  ],
  [
    'a requirement that is no feature',
    cam({ source: test, selection: { requires: ['a b'] } }),
    'spec.selection.requires[0]: Invalid value',
    'must be 1 to 32 characters [a-z0-9.-]',
  ],
  [
    'wishes for a native client',
    cam({ source: { native: {} }, selection: {} }),
    'selection and source.native exclude each other: a native client says its own in its hello',
  ],
  [
    'an order that is not there',
    cam({ source: test, handover: { order: 'Neither' } }),
    'supported values: "ConnectFirst", "ReleaseFirst"',
    'spec.handover.order',
  ],
  [
    'an answer within a millisecond',
    cam({ source: test, handover: { ackTimeout: '1ms' } }),
    'must be a duration from 100ms to 1m',
  ],
  [
    'an hour for a key frame',
    cam({ source: test, handover: { cutWait: '1h' } }),
    'must be a duration from 1s to 1m',
  ],
  ['a suspension in words', cam({ source: test, suspend: 'no' }), 'must be of type boolean', 'spec.suspend'],
];

const bundles: readonly Row[] = [
  ['a bundle of nothing', trust({}), 'needs sources or deny'],
  ['a bundle of empty lists', trust({ sources: [], deny: [] }), 'needs sources or deny'],
  ['a source of no kind', trust({ sources: [{}] }), 'exactly one of inline, configMap, secret'],
  [
    'a source of two kinds',
    trust({ sources: [{ inline: pem, secret: { name: 'ca' } }] }),
    'exactly one of inline, configMap, secret',
  ],
  [
    'a private key',
    trust({ sources: [{ inline: `${pem}-----BEGIN EC PRIVATE KEY-----\n` }] }),
    'holds a private key: put certificates only, and treat that key as leaked',
  ],
  ['text without a certificate', trust({ sources: [{ inline: 'hello' }] }), 'must be PEM certificates'],
  [
    'a bundle of 300 KB',
    trust({ sources: [{ inline: pem + '#'.repeat(300_000) }] }),
    'may not be more than 262144 bytes',
    '262144',
  ],
  [
    '17 sources',
    trust({ sources: many(17, (n) => ({ secret: { name: `ca-${n}` } })) }),
    'must have at most 16 items',
    '16',
  ],
  [
    'a Secret without name',
    trust({ sources: [{ secret: {} }] }),
    'spec.sources[0].secret.name: Required value',
    'spec.sources[0].secret.name',
  ],
  [
    'a Secret in another namespace',
    trust({ sources: [{ secret: { name: 'kube-system/ca' } }] }),
    'spec.sources[0].secret.name: Invalid value',
    'must be DNS labels',
  ],
  [
    'a key with a path',
    trust({ sources: [{ configMap: { name: 'ca', key: '../ca.crt' } }] }),
    'spec.sources[0].configMap.key: Invalid value',
    'must be 1 to 253 characters [-._a-zA-Z0-9]',
  ],
  ['a denial of nobody', trust({ deny: [{}] }), 'exactly one of sha256, identifier'],
  [
    'a denial of two',
    trust({ deny: [{ sha256: hash, identifier: 'ab:EIW6Qe0ARnWrsJZTsHWada' }] }),
    'exactly one of sha256, identifier',
  ],
  [
    'a hash in capitals',
    trust({ deny: [{ sha256: 'A'.repeat(64) }] }),
    'spec.deny[0].sha256: Invalid value',
    'must be 64 lower-case hexadecimal digits',
  ],
  [
    'a hash with its kind',
    trust({ deny: [{ sha256: `sha256:${hash}` }] }),
    'spec.deny[0].sha256: Too long',
    'spec.deny[0].sha256',
  ],
  [
    'a denial of every client',
    trust({ deny: [{ identifier: 'ab:*' }] }),
    'spec.deny[0].identifier: Invalid value',
    'must be hcsp: or ab: and 22 characters [A-Za-z0-9+/]',
  ],
  [
    'a comment of a page',
    trust({ deny: [{ sha256: hash, comment: 'a'.repeat(257) }] }),
    'may not be more than 256 bytes',
    '256',
  ],
  [
    '1025 denials',
    trust({ deny: many(1025, () => ({ sha256: hash })) }),
    'must have at most 1024 items',
    '1024',
  ],
];

/** All of them. */
export const badResources: readonly BadResource[] = [...servers, ...cameras, ...bundles].map(
  ([what, resource, fromServer, fromFile]) => ({
    what,
    resource,
    fromServer,
    ...(fromFile === undefined ? {} : { fromFile }),
  }),
);
