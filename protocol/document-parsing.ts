/** How each kind of document is read out of its element. */
import { AttributeReader, maxCount } from './attributes.ts';
import type {
  Begin,
  Bye,
  Connect,
  HospDocument,
  Peers,
  Redirect,
  Refused,
  ServerReference,
  Subscribe,
} from './documents.ts';
import { everyClient, isClientId, type ClientId } from './identifiers.ts';
import { quote } from './result.ts';

/** Reads `hosp` and its one known child; what is wrong is left in either reader's `problem`. */
export type ReadBody = (body: AttributeReader, hosp: AttributeReader) => HospDocument;

/** At most this many servers in a fail-over list. */
export const maxListedServers = 16;
/** Of each of them, besides its own: 16 servers with these stay below 8 KiB. */
export const maxListedAddresses = 4;

/** By the child's name; a child that is not in here is unknown and ignored. */
export const bodyReaders: ReadonlyMap<string, ReadBody> = new Map<string, ReadBody>([
  ['subscribe', readSubscribe],
  ['redirect', readRedirect],
  ['connect', readConnect],
  ['begin', readBegin],
  ['end', (body) => ({ kind: 'end', offset: body.integer('offset') })],
  ['refused', readRefused],
  ['ping', () => ({ kind: 'ping' })],
  ['welcome', () => ({ kind: 'welcome' })],
  ['ack', readAck],
  ['peers', readPeers],
  ['bye', readBye],
  ['signed', (body) => ({ kind: 'signed', message: body.base64() })],
  ['serves', (body) => ({ kind: 'serves', client: body.clientId('client'), term: body.integer('term') })],
]);

function readSubscribe(body: AttributeReader, hosp: AttributeReader): Subscribe {
  if (hosp.text('to') !== everyClient) hosp.fail(`to ${quote(hosp.text('to'))} is not ${everyClient}`);
  const isOrdered = body.has('boot') || body.has('seq');
  return {
    kind: 'subscribe',
    to: everyClient,
    from: hosp.server('from'),
    features: body.features('features'),
    connected: body.integer('connected', maxCount),
    max: body.integer('max', maxCount),
    ...(isOrdered ? { order: { boot: body.integer('boot'), seq: body.integer('seq') } } : {}),
    also: body.has('also') ? body.endpoints('also') : [],
  };
}

function readRedirect(body: AttributeReader, hosp: AttributeReader): Redirect {
  return {
    kind: 'redirect',
    to: readDestination(hosp),
    from: hosp.serverId('from'),
    target: body.server('id'),
    features: body.features('features'),
    also: body.has('also') ? body.endpoints('also') : [],
    why: body.has('why') ? body.choice('why', ['rank', 'requires', 'full', 'drain']) : 'rank',
  };
}

function readDestination(hosp: AttributeReader): ClientId | typeof everyClient {
  const to = hosp.text('to');
  if (to === everyClient || isClientId(to)) return to;
  return hosp.fail(`to ${quote(to)} is no client identifier`, everyClient);
}

function readConnect(body: AttributeReader, hosp: AttributeReader): Connect {
  return {
    kind: 'connect',
    to: hosp.serverId('to'),
    from: hosp.clientId('from'),
    stream: body.streamName('stream'),
    media: body.choice('media', [
      'video/mp2t',
      'application/x-ndjson',
      'text/plain',
      'application/octet-stream',
    ]),
    term: body.integer('term'),
    requires: body.has('requires') ? body.features('requires') : [],
    weights: body.has('weights') ? body.weights('weights') : {},
    mode: body.has('mode') ? body.choice('mode', ['Best', 'AnyValid']) : 'Best',
    moveAfterMs: body.has('moveAfterMs') ? body.integer('moveAfterMs') : 0,
    ...(body.has('left') ? { left: body.serverId('left') } : {}),
    ...(body.has('why') ? { leftWhy: body.word('why') } : {}),
  };
}

function readBegin(body: AttributeReader): Begin {
  return {
    kind: 'begin',
    offset: body.integer('offset'),
    time: body.integer('time'),
    why: body.choice('why', ['start', 'handover', 'replay', 'source', 'codec', 'gap']),
  };
}

function readRefused(body: AttributeReader): Refused {
  const reasons = [
    'full',
    'draining',
    'unreachable',
    'untrusted',
    'held',
    'budget',
    'lost',
    'error',
  ] as const;
  return {
    kind: 'refused',
    id: body.serverId('id'),
    reason: body.choice('reason', reasons),
    ...(body.has('retryAfterMs') ? { retryAfterMs: body.integer('retryAfterMs') } : {}),
  };
}

function readAck(body: AttributeReader): HospDocument {
  const received = body.integer('received');
  const durable = body.integer('durable');
  if (durable > received) body.fail(`durable ${durable} is above received ${received}`);
  return { kind: 'ack', received, durable };
}

function readPeers(body: AttributeReader): Peers {
  const elements = body.element.children.filter(({ name }) => name === 'server');
  if (elements.length > maxListedServers) body.fail(`more than ${maxListedServers} servers`);
  const servers = elements.slice(0, maxListedServers).map((element): ServerReference => {
    const reader = new AttributeReader(element);
    const { id, address } = reader.server('id');
    const also = reader.has('also') ? reader.endpoints('also').slice(0, maxListedAddresses) : [];
    if (reader.problem !== undefined) body.fail(reader.problem);
    return also.length > 0 ? { id, address, also } : { id, address };
  });
  return { kind: 'peers', servers };
}

function readBye(body: AttributeReader): Bye {
  const reasons = ['full', 'draining', 'replaced', 'untrusted', 'suspended', 'stopped', 'error'] as const;
  return {
    kind: 'bye',
    reason: body.choice('reason', reasons),
    ...(body.has('term') ? { term: body.integer('term') } : {}),
  };
}
