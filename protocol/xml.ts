/** The strict little XML that documents are made of: elements and attributes in one line of ASCII. */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { maxLineBytes } from './lines.ts';
import { bad, good, type Bad, type Result } from './result.ts';

export interface XmlElement {
  readonly name: string;
  /** Values are trimmed: the patent's figures print white space around them. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Text between the tags, trimmed. */
  readonly text: string;
}

/** Why bytes are no XML of ours. */
export type XmlProblem = 'too-long' | 'not-ascii' | 'markup' | 'not-xml' | 'prefix' | 'too-deep';

const maxDepth = 8;
const oneLine = /^[\x20-\x7e]*$/;
const forbiddenMarkup = ['<!', '<?', '&'];
const noAttributes: Readonly<Record<string, unknown>> = {};

/** Without it a decoder is made for each document; `&` never gets that far. */
const noEntities = {
  addInputEntities: () => undefined,
  decode: (text: string) => text,
  reset: () => undefined,
  setExternalEntities: () => undefined,
  setXmlVersion: () => undefined,
};

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseAttributeValue: false,
  parseTagValue: false,
  processEntities: false,
  entityDecoder: noEntities,
  jPath: false,
  trimValues: true,
});

/** An element as the parser found it, and the text that it stands in, without white space around it. */
export interface FoundXml {
  readonly root: XmlElement;
  readonly text: string;
}

/**
 * Finds one element. fast-xml-parser alone takes garbage, DOCTYPEs and text behind the root: what must not be there is looked
 * for first, and before the element is used `findFlaw` must have been asked about its text.
 *
 * @param line at most 8 KiB; one line end and white space around the element are trimmed
 */
export function findXml(line: Uint8Array | string): Result<FoundXml, XmlProblem> {
  if (line.length > maxLineBytes) return bad('too-long', `parsing a document: above ${maxLineBytes} bytes`);
  const text = (typeof line === 'string' ? line : toText(line)).trim();
  const stranger = findStranger(text);
  if (stranger !== undefined) return stranger;
  const nodes = parseNodes(text);
  if (nodes?.length !== 1) return bad('not-xml', 'parsing a document: not one element');
  const root = readElement(nodes[0], 1);
  return root.ok ? good({ root: root.value, text }) : (findFlaw(text) ?? root);
}

const plainAttributes = String.raw`((?: [a-zA-Z:]+="[^"<>&]*")*)`;
const plainDocument = new RegExp(`^<([a-z]+)${plainAttributes}><([a-z]+)${plainAttributes}/></\\1>$`);
const plainAttribute = / ([a-zA-Z:]+)="([^"]*)"/g;

/**
 * Reads what we write ourselves, but for lists and text: an element with attributes around one that is empty. It is for who
 * writes the values again and compares, and takes a tenth of the parser's time; undefined says nothing about the text.
 */
export function findPlainXml(text: string): XmlElement | undefined {
  const found = plainDocument.exec(text);
  if (found === null) return undefined;
  const [, outer = '', outerAttributes = '', inner = '', innerAttributes = ''] = found;
  const child = { name: inner, attributes: readPlain(innerAttributes), children: [], text: '' };
  return { name: outer, attributes: readPlain(outerAttributes), children: [child], text: '' };
}

function readPlain(text: string): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(plainAttribute)) attributes.set(name, value);
  return attributes;
}

/** What the parser does not mind. */
function findStranger(text: string): Bad<XmlProblem> | undefined {
  if (!oneLine.test(text)) return bad('not-ascii', 'parsing a document: not one line of printable ASCII');
  const forbidden = forbiddenMarkup.find((markup) => text.includes(markup));
  if (forbidden !== undefined) return bad('markup', `parsing a document: ${forbidden} is not allowed`);
  const isEnclosed = text.startsWith('<') && text.endsWith('>');
  return isEnclosed ? undefined : bad('not-xml', 'parsing a document: not one element');
}

/** Why this text is not well-formed; undefined where it is. */
export function findFlaw(text: string): Bad<'not-xml'> | undefined {
  return isWellFormed(text) ? undefined : bad('not-xml', 'parsing a document: not well-formed');
}

function isWellFormed(text: string): boolean {
  try {
    return XMLValidator.validate(text) === true;
  } catch {
    return false;
  }
}

/** Each byte as a character. */
export function toText({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('latin1');
}

function parseNodes(text: string): readonly unknown[] | undefined {
  try {
    const parsed: unknown = parser.parse(text);
    return Array.isArray(parsed) ? parsed : undefined;
  } catch {
    // The parser throws on names such as __proto__ and on too many levels.
    return undefined;
  }
}

/** A node of the ordered form: `{ name: children, ':@': attributes }`. */
function readElement(node: unknown, depth: number): Result<XmlElement, XmlProblem> {
  if (!isRecord(node)) return bad('not-xml', 'parsing a document: no element');
  const name = nameOf(node);
  const content = node[name];
  if (!Array.isArray(content)) return bad('not-xml', 'parsing a document: stray text');
  if (depth > maxDepth) return bad('too-deep', `parsing a document: deeper than ${maxDepth}`);
  const attributes = readAttributes(name, node[':@']);
  return attributes.ok ? readContent({ name, attributes: attributes.value }, content, depth) : attributes;
}

function nameOf(node: Readonly<Record<string, unknown>>): string {
  return Object.keys(node).find((key) => key !== ':@') ?? '';
}

function readContent(
  head: Pick<XmlElement, 'name' | 'attributes'>,
  content: readonly unknown[],
  depth: number,
): Result<XmlElement, XmlProblem> {
  const children: XmlElement[] = [];
  let text = '';
  for (const node of content) {
    const found = isRecord(node) ? node['#text'] : undefined;
    if (typeof found === 'string') {
      text += found;
      continue;
    }
    const child = readElement(node, depth + 1);
    if (!child.ok) return child;
    children.push(child.value);
  }
  return good({ name: head.name, attributes: head.attributes, children, text: text.trim() });
}

function readAttributes(element: string, found: unknown): Result<ReadonlyMap<string, string>, XmlProblem> {
  const attributes = new Map<string, string>();
  let hasPrefix = element.includes(':');
  const values = isRecord(found) ? found : noAttributes;
  for (const name of Object.keys(values)) {
    const value = String(values[name]);
    if (value.includes('<')) return bad('not-xml', 'parsing a document: < in an attribute');
    hasPrefix ||= name.includes(':');
    attributes.set(name, value.trim());
  }
  return hasPrefix
    ? bad('prefix', 'parsing a document: names with a prefix are not allowed')
    : good(attributes);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
