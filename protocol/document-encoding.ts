/** How each kind of document is written: `hosp` with its addressing, and one child. Attribute order is the figures'. */
import type {
  Connect,
  HospDocument,
  Peers,
  Redirect,
  ServerReference,
  Signed,
  Subscribe,
} from './documents.ts';
import { formatEndpoint, type Endpoint } from './endpoints.ts';

/** Attributes in order; undefined ones are left out. */
type Attributes = Readonly<Record<string, string | number | undefined>>;

const plainText = /^[\x20-\x7e]*$/;

/** Who a document is from and for: on `hosp`, where the kind names them. */
export function encodeAddressing(document: HospDocument): string {
  if (document.kind === 'subscribe') {
    return encodeAttributes({ to: document.to, from: encodeReference(document.from) });
  }
  if (document.kind === 'redirect' || document.kind === 'connect') {
    return encodeAttributes({ to: document.to, from: document.from });
  }
  return '';
}

/** The child element. Throws RangeError for a value that no attribute can hold (a bug of ours). */
export function encodeBody(document: HospDocument): string {
  if (document.kind === 'signed') return `<signed>${checked(document.message)}</signed>`;
  if (document.kind === 'peers') return encodePeers(document);
  return encodeElement(document.kind, attributesOf(document));
}

function attributesOf(document: Exclude<HospDocument, Signed | Peers>): Attributes {
  if (document.kind === 'subscribe') return subscribeAttributes(document);
  if (document.kind === 'redirect') return redirectAttributes(document);
  if (document.kind === 'connect') return connectAttributes(document);
  // The other kinds are their attributes, named alike.
  const { kind: _kind, ...attributes } = document;
  return orderAttributes(attributes);
}

function subscribeAttributes({ features, connected, max, order, also }: Subscribe): Attributes {
  return {
    features: features.join(','),
    connected,
    max,
    boot: order?.boot,
    seq: order?.seq,
    also: encodeEndpoints(also),
  };
}

function redirectAttributes({ target, features, also, why }: Redirect): Attributes {
  return { id: encodeReference(target), features: features.join(','), also: encodeEndpoints(also), why };
}

function connectAttributes(connect: Connect): Attributes {
  const weights = Object.entries(connect.weights).map(([feature, weight]) => `${feature}=${weight}`);
  return {
    stream: connect.stream,
    media: connect.media,
    term: connect.term,
    requires: connect.requires.length > 0 ? connect.requires.join(',') : undefined,
    weights: weights.length > 0 ? weights.join(',') : undefined,
    mode: connect.mode,
    moveAfterMs: connect.moveAfterMs,
    left: connect.left,
    why: connect.leftWhy,
  };
}

function encodePeers({ servers }: Peers): string {
  const elements = servers.map((server) => {
    return encodeElement('server', { id: encodeReference(server), also: encodeEndpoints(server.also ?? []) });
  });
  return `<peers>${elements.join('')}</peers>`;
}

const attributeOrder = [
  'id',
  'client',
  'received',
  'durable',
  'offset',
  'time',
  'why',
  'reason',
  'retryAfterMs',
  'term',
];

/** However the value was put together, the same document is the same bytes. */
function orderAttributes(attributes: Attributes): Attributes {
  return Object.fromEntries(attributeOrder.map((name) => [name, attributes[name]]));
}

function encodeReference({ id, address }: ServerReference): string {
  return `${id};ip=${formatEndpoint(address)}`;
}

function encodeEndpoints(endpoints: readonly Endpoint[]): string | undefined {
  return endpoints.length > 0 ? endpoints.map(formatEndpoint).join(',') : undefined;
}

function encodeElement(name: string, attributes: Attributes): string {
  return `<${name}${encodeAttributes(attributes)}/>`;
}

function encodeAttributes(attributes: Attributes): string {
  return Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${checked(String(value))}"`)
    .join('');
}

function checked(text: string): string {
  if (!plainText.test(text) || /["<&]/.test(text))
    throw new RangeError(`${JSON.stringify(text)} is no attribute value`);
  return text;
}
