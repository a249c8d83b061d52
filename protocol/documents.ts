/** The `hosp` documents: everything that servers and clients say, as values. @see Fig 8A, Fig 8B */
import { AttributeReader } from './attributes.ts';
import { encodeAddressing, encodeBody } from './document-encoding.ts';
import { bodyReaders } from './document-parsing.ts';
import type { Endpoint } from './endpoints.ts';
import type { ClientId, ServerId, everyClient } from './identifiers.ts';
import { maxLineBytes } from './lines.ts';
import { bad, good, quote, type Result } from './result.ts';
import { findFlaw, findPlainXml, findXml, toText, type XmlElement, type XmlProblem } from './xml.ts';

/** A server as documents name it: `hcsp:…;ip=192.168.1.9:17320`. */
export interface ServerReference {
  readonly id: ServerId;
  readonly address: Endpoint;
  /** In a fail-over list: at most 4 further addresses. Other documents name them beside it. */
  readonly also?: readonly Endpoint[];
}

/** Fig 8A: a server says that it is here, what it can and how full it is. */
export interface Subscribe {
  readonly kind: 'subscribe';
  readonly to: typeof everyClient;
  readonly from: ServerReference;
  readonly features: readonly string[];
  readonly connected: number;
  /** 0 is draining. */
  readonly max: number;
  /** Orders announcements; absent in a plain patent message. */
  readonly order?: { readonly boot: number; readonly seq: number };
  /** At most 8 further addresses. */
  readonly also: readonly Endpoint[];
}

export type RedirectWhy = 'rank' | 'requires' | 'full' | 'drain';

/** Fig 8B: a client is sent to another server, on its own connection. */
export interface Redirect {
  readonly kind: 'redirect';
  readonly to: ClientId | typeof everyClient;
  readonly from: ServerId;
  readonly target: ServerReference;
  readonly features: readonly string[];
  readonly also: readonly Endpoint[];
  readonly why: RedirectWhy;
}

export type SelectionMode = 'Best' | 'AnyValid';
export type MediaType = 'video/mp2t' | 'application/x-ndjson' | 'text/plain' | 'application/octet-stream';

/** A client's first line on a session. */
export interface Connect {
  readonly kind: 'connect';
  readonly to: ServerId;
  readonly from: ClientId;
  readonly stream: string;
  readonly media: MediaType;
  readonly term: number;
  readonly requires: readonly string[];
  /** Integers ≥ 0 by feature; 1 where absent. */
  readonly weights: Readonly<Record<string, number>>;
  readonly mode: SelectionMode;
  /** Milliseconds from now until the move budget allows a move for rank. */
  readonly moveAfterMs: number;
  /** The server it streamed to before, and why it left: for logs and status only. */
  readonly left?: ServerId;
  readonly leftWhy?: string;
}

export type BeginWhy = 'start' | 'handover' | 'replay' | 'source' | 'codec' | 'gap';

export interface Begin {
  readonly kind: 'begin';
  readonly offset: number;
  /** The client's clock, Unix milliseconds. */
  readonly time: number;
  readonly why: BeginWhy;
}

export interface End {
  readonly kind: 'end';
  /** The next offset behind the last counted byte. */
  readonly offset: number;
}

export type RefusedReason =
  | 'full'
  | 'draining'
  | 'unreachable'
  | 'untrusted'
  | 'held'
  | 'budget'
  | 'lost'
  | 'error';

export interface Refused {
  readonly kind: 'refused';
  readonly id: ServerId;
  readonly reason: RefusedReason;
  readonly retryAfterMs?: number;
}

export interface Ping {
  readonly kind: 'ping';
}

export interface Welcome {
  readonly kind: 'welcome';
}

/** The next offsets expected. `durable` never exceeds `received`. */
export interface Ack {
  readonly kind: 'ack';
  readonly received: number;
  readonly durable: number;
}

/** The fail-over list, best first, at most 16. */
export interface Peers {
  readonly kind: 'peers';
  readonly servers: readonly ServerReference[];
}

export type ByeReason = 'full' | 'draining' | 'replaced' | 'untrusted' | 'suspended' | 'stopped' | 'error';

export interface Bye {
  readonly kind: 'bye';
  readonly reason: ByeReason;
  /** With `replaced`: the winner's term. */
  readonly term?: number;
}

/** An announcement on a link: base64 of the very CMS message. */
export interface Signed {
  readonly kind: 'signed';
  readonly message: string;
}

/** On links: who is served here, so that no second bridge opens a camera. */
export interface Serves {
  readonly kind: 'serves';
  readonly client: ClientId;
  readonly term: number;
}

export type HospDocument =
  | Subscribe
  | Redirect
  | Connect
  | Begin
  | End
  | Refused
  | Ping
  | Welcome
  | Ack
  | Peers
  | Bye
  | Signed
  | Serves;

/** A document as it was found: `to` and `from` are what `hosp` says, unchecked where the kind does not name them. */
export interface ParsedDocument {
  readonly to?: string;
  readonly from?: string;
  readonly body: HospDocument;
}

/** Why bytes are no document: no XML of ours, not `hosp`, not one known child, or a value out of its limits. */
export type DocumentProblem = XmlProblem | 'not-hosp' | 'child' | 'value';

/** The namespace of every document; the only one. */
export const hospNamespace = 'http://www.darwin-hcs.org/arch/hosp/1.0';

/**
 * Reads one document. Strict, but unknown attributes and unknown children are ignored, so that a later version can say
 * more.
 *
 * @param line one line of ASCII of at most 8 KiB, with or without its line end
 */
export function parseDocument(line: Uint8Array | string): Result<ParsedDocument, DocumentProblem> {
  return parsePlain(line) ?? parseAny(line);
}

/** Nearly every document is what we would have written of its values: then these are its values, whatever else is XML. */
function parsePlain(line: Uint8Array | string): Result<ParsedDocument, DocumentProblem> | undefined {
  if (line.length > maxLineBytes) return undefined;
  const text = typeof line === 'string' ? line : toText(line);
  const root = findPlainXml(text);
  const document = root === undefined ? undefined : readHosp(root);
  return document?.ok === true && writeDocument(document.value.body) === text ? document : undefined;
}

function parseAny(line: Uint8Array | string): Result<ParsedDocument, DocumentProblem> {
  const found = findXml(line);
  if (!found.ok) return found;
  const { root, text } = found.value;
  const document = readHosp(root);
  // What we would have written of these values is well-formed, and nearly every document is just that: to write it costs a
  // third of what the validator costs.
  const isOurs = document.ok && writeDocument(document.value.body) === text;
  return isOurs ? document : (findFlaw(text) ?? document);
}

function readHosp(hosp: XmlElement): Result<ParsedDocument, DocumentProblem> {
  if (hosp.name !== 'hosp' || hosp.attributes.get('xmlns') !== hospNamespace) {
    return bad('not-hosp', `parsing a document: ${quote(hosp.name)} is not hosp of ${hospNamespace}`);
  }
  const known = hosp.children.filter(({ name }) => bodyReaders.has(name));
  const [child] = known;
  if (child === undefined || known.length > 1) {
    return bad('child', `parsing a document: ${known.length} known children instead of one`);
  }
  return readDocument(hosp, child);
}

/** One line without its line end; the same value gives the same bytes. Throws RangeError above 8 KiB (a bug of ours). */
export function encodeDocument(document: HospDocument): string {
  const line = writeDocument(document);
  if (line.length > maxLineBytes)
    throw new RangeError(`encoding ${document.kind}: above ${maxLineBytes} bytes`);
  return line;
}

/** Of any length: what was read may be written a little longer than it was, as `1::3:4:5:6:7:8` is. */
function writeDocument(document: HospDocument): string {
  return `<hosp xmlns="${hospNamespace}"${encodeAddressing(document)}>${encodeBody(document)}</hosp>`;
}

function readDocument(hosp: XmlElement, child: XmlElement): Result<ParsedDocument, DocumentProblem> {
  const hospReader = new AttributeReader(hosp);
  const bodyReader = new AttributeReader(child);
  const body = bodyReaders.get(child.name)?.(bodyReader, hospReader);
  if (hosp.text !== '' || (child.text !== '' && child.name !== 'signed'))
    hospReader.fail('text between the tags');
  const problem = hospReader.problem ?? bodyReader.problem;
  if (body === undefined || problem !== undefined) {
    return bad('value', `parsing ${child.name}: ${problem ?? 'unknown'}`);
  }
  return good({ ...addressing(hosp), body });
}

function addressing({ attributes }: XmlElement): Omit<ParsedDocument, 'body'> {
  const to = attributes.get('to');
  const from = attributes.get('from');
  return { ...(to === undefined ? {} : { to }), ...(from === undefined ? {} : { from }) };
}
