/** The strict little XML that documents are made of: elements and attributes in one line of ASCII. */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { maxLineBytes } from './lines.ts';
import { bad, good, type Result } from './result.ts';

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
const wholeElement = /^<.*>$/;

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseAttributeValue: false,
  parseTagValue: false,
  processEntities: false,
  trimValues: true,
});

/**
 * Reads one element. fast-xml-parser alone takes garbage, DOCTYPEs and text behind the root, so what must not be there is
 * looked for first, then its validator is asked, then it parses.
 *
 * @param line at most 8 KiB; one line end and white space around the element are trimmed
 */
export function parseXml(line: Uint8Array | string): Result<XmlElement, XmlProblem> {
  if (line.length > maxLineBytes) return bad('too-long', `parsing a document: above ${maxLineBytes} bytes`);
  const raw = typeof line === 'string' ? line : Buffer.from(line).toString('latin1');
  const text = raw.trim();
  if (!oneLine.test(text)) return bad('not-ascii', 'parsing a document: not one line of printable ASCII');
  const forbidden = ['<!', '<?', '&'].find((markup) => text.includes(markup));
  if (forbidden !== undefined) return bad('markup', `parsing a document: ${forbidden} is not allowed`);
  if (!wholeElement.test(text)) return bad('not-xml', 'parsing a document: not one element');
  return parseChecked(text);
}

function parseChecked(text: string): Result<XmlElement, XmlProblem> {
  const nodes = parseNodes(text);
  if (nodes === undefined) return bad('not-xml', 'parsing a document: not well-formed');
  const roots = nodes.map((node) => readElement(node, 1));
  const [root] = roots;
  if (root === undefined || roots.length !== 1) return bad('not-xml', 'parsing a document: not one element');
  return root;
}

function parseNodes(text: string): readonly unknown[] | undefined {
  try {
    if (XMLValidator.validate(text) !== true) return undefined;
    const parsed: unknown = parser.parse(text);
    return Array.isArray(parsed) ? parsed : undefined;
  } catch {
    // The parser throws on names such as __proto__ and on too many levels.
    return undefined;
  }
}

/** A node of the ordered form: `{ name: children, ':@': attributes }`, or `{ '#text': text }`. */
function readElement(node: unknown, depth: number): Result<XmlElement, XmlProblem> {
  const entries = Object.entries(isRecord(node) ? node : {});
  const [name, content] = entries.find(([key]) => key !== ':@') ?? [];
  if (name === undefined || !Array.isArray(content)) return bad('not-xml', 'parsing a document: stray text');
  if (depth > maxDepth) return bad('too-deep', `parsing a document: deeper than ${maxDepth}`);
  const attributes = readAttributes(entries.find(([key]) => key === ':@')?.[1]);
  if ([name, ...attributes.keys()].some((word) => word.includes(':'))) {
    return bad('prefix', 'parsing a document: names with a prefix are not allowed');
  }
  if ([...attributes.values()].some((value) => value.includes('<'))) {
    return bad('not-xml', 'parsing a document: < in an attribute');
  }
  return readContent({ name, attributes }, content, depth);
}

function readContent(
  head: Pick<XmlElement, 'name' | 'attributes'>,
  content: readonly unknown[],
  depth: number,
): Result<XmlElement, XmlProblem> {
  const children: XmlElement[] = [];
  const texts: string[] = [];
  for (const node of content) {
    if (isRecord(node) && typeof node['#text'] === 'string') {
      texts.push(node['#text']);
      continue;
    }
    const child = readElement(node, depth + 1);
    if (!child.ok) return child;
    children.push(child.value);
  }
  return good({ ...head, children, text: texts.join('').trim() });
}

function readAttributes(value: unknown): ReadonlyMap<string, string> {
  const entries = Object.entries(isRecord(value) ? value : {});
  return new Map(entries.map(([name, text]) => [name, String(text).trim()]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
