/** Documents of every kind: goldens to break, and arbitrary ones to encode. */
import fc from 'fast-check';
import { type HospDocument, type ServerReference, hospNamespace } from '../../protocol/documents.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ClientId, ServerId } from '../../protocol/identifiers.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function textOf(characters: string, minLength: number, maxLength: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...characters.split('')), minLength, maxLength });
}

const identifier = textOf(alphabet, 22, 22);
const serverIds: fc.Arbitrary<ServerId> = identifier.map((text): ServerId => `hcsp:${text}`);
const clientIds: fc.Arbitrary<ClientId> = identifier.map((text): ClientId => `ab:${text}`);
const ports = fc.integer({ min: 1, max: 65_535 });
const ipv4 = fc.ipV4().map((ip) => ({ ip }));
const ipv6 = fc.integer({ min: 1, max: 0xffff }).map((last) => ({ ip: `fd00::${last.toString(16)}` }));
const endpoints: fc.Arbitrary<Endpoint> = fc
  .tuple(fc.oneof(ipv4, ipv6), ports)
  .map(([address, port]) => ({ ...address, port }));
const references: fc.Arbitrary<ServerReference> = fc.record({ id: serverIds, address: endpoints });
const listedServers: fc.Arbitrary<ServerReference> = fc.record(
  { id: serverIds, address: endpoints, also: fc.array(endpoints, { minLength: 1, maxLength: 4 }) },
  { requiredKeys: ['id', 'address'] },
);
const features = fc.uniqueArray(textOf('abcdefghijklmnopqrstuvwxyz0123456789.-', 1, 32), {
  maxLength: 32,
});
const counts = fc.integer({ min: 0, max: 100_000 });
const big = fc.maxSafeNat();
const also = fc.array(endpoints, { maxLength: 8 });
const weights = features.chain((names) =>
  fc
    .array(counts, { minLength: names.length, maxLength: names.length })
    .map((values) => Object.fromEntries(names.map((name, index) => [name, values[index] ?? 0]))),
);

/** Any document that can be said. */
export const documents: fc.Arbitrary<HospDocument> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('subscribe' as const),
      to: fc.constant('ab:*' as const),
      from: references,
      features,
      connected: counts,
      max: counts,
      order: fc.record({ boot: big, seq: big }),
      also,
    },
    { requiredKeys: ['kind', 'to', 'from', 'features', 'connected', 'max', 'also'] },
  ),
  fc.record({
    kind: fc.constant('redirect' as const),
    to: fc.oneof(clientIds, fc.constant('ab:*' as const)),
    from: serverIds,
    target: references,
    features,
    also,
    why: fc.constantFrom('rank' as const, 'requires' as const, 'full' as const, 'drain' as const),
  }),
  fc.record(
    {
      kind: fc.constant('connect' as const),
      to: serverIds,
      from: clientIds,
      stream: fc.constantFrom('main', 'sub', 'a-1'),
      media: fc.constantFrom('video/mp2t' as const, 'application/x-ndjson' as const, 'text/plain' as const),
      term: big,
      requires: features,
      weights,
      mode: fc.constantFrom('Best' as const, 'AnyValid' as const),
      moveAfterMs: big,
      left: serverIds,
      leftWhy: fc.constantFrom('silent', 'reset'),
    },
    {
      requiredKeys: [
        'kind',
        'to',
        'from',
        'stream',
        'media',
        'term',
        'requires',
        'weights',
        'mode',
        'moveAfterMs',
      ],
    },
  ),
  fc.record({
    kind: fc.constant('begin' as const),
    offset: big,
    time: big,
    why: fc.constantFrom('start' as const, 'handover' as const, 'gap' as const),
  }),
  fc.record({ kind: fc.constant('end' as const), offset: big }),
  fc.record(
    {
      kind: fc.constant('refused' as const),
      id: serverIds,
      reason: fc.constantFrom('full' as const, 'held' as const, 'budget' as const),
      retryAfterMs: big,
    },
    { requiredKeys: ['kind', 'id', 'reason'] },
  ),
  fc.constant({ kind: 'ping' as const }),
  fc.constant({ kind: 'welcome' as const }),
  fc.tuple(big, big).map(([a, b]) => ({
    kind: 'ack' as const,
    received: Math.max(a, b),
    durable: Math.min(a, b),
  })),
  fc.record({ kind: fc.constant('peers' as const), servers: fc.array(listedServers, { maxLength: 16 }) }),
  fc.record(
    {
      kind: fc.constant('bye' as const),
      reason: fc.constantFrom('full' as const, 'replaced' as const),
      term: big,
    },
    { requiredKeys: ['kind', 'reason'] },
  ),
  fc
    .uint8Array({ minLength: 1, maxLength: 2000 })
    .map((bytes) => ({ kind: 'signed' as const, message: Buffer.from(bytes).toString('base64') })),
  fc.record({ kind: fc.constant('serves' as const), client: clientIds, term: big }),
);

const open = `<hosp xmlns="${hospNamespace}"`;
const client = 'ab:EIW6Qe0ARnWrsJZTsHWada';
const server = 'hcsp:/PtPvXYJSQsqwTJpPGjwog';

/** One of each kind as it stands on the wire. */
export const goldenDocuments: readonly string[] = [
  `${open} to="ab:*" from="${server};ip=192.168.1.9:17320"><subscribe features="hcsp,webs,db" connected="0" max="5" boot="1700000000000" seq="12" also="[fd00::9]:17320"/></hosp>`,
  `${open} to="${client}" from="${server}"><redirect id="hcsp:gc3YWhxMRQGVbboYIEgxwA;ip=192.168.1.9:17320" features="hcsp,webs,db" why="rank"/></hosp>`,
  `${open} to="${server}" from="${client}"><connect stream="main" media="video/mp2t" term="1700000000001" requires="record" weights="gpu=4" mode="Best" moveAfterMs="0" left="hcsp:gc3YWhxMRQGVbboYIEgxwA" why="silent"/></hosp>`,
  `${open}><begin offset="0" time="1700000000002" why="start"/></hosp>`,
  `${open}><end offset="188"/></hosp>`,
  `${open}><refused id="${server}" reason="held" retryAfterMs="5000"/></hosp>`,
  `${open}><ping/></hosp>`,
  `${open}><welcome/></hosp>`,
  `${open}><ack received="376" durable="188"/></hosp>`,
  `${open}><peers><server id="${server};ip=[fd00::9]:17320"/><server id="hcsp:gc3YWhxMRQGVbboYIEgxwA;ip=10.0.0.1:1" also="[fd00::7]:2,10.1.0.1:1"/></peers></hosp>`,
  `${open}><bye reason="replaced" term="1700000000003"/></hosp>`,
  `${open}><signed>MIIEPA==</signed></hosp>`,
  `${open}><serves client="${client}" term="1700000000001"/></hosp>`,
];
