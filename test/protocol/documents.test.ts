import fc from 'fast-check';
import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { encodeDocument, hospNamespace, parseDocument } from '../../protocol/documents.ts';
import { documents, goldenDocuments } from '../support/documents.ts';
import { fuzzRounds, fuzzTimeoutMs, mutate, seededRandom } from '../support/mutation.ts';

const open = `<hosp xmlns="${hospNamespace}"`;
const server = 'hcsp:/PtPvXYJSQsqwTJpPGjwog';
const client = 'ab:EIW6Qe0ARnWrsJZTsHWada';

function reasonOf(line: string): string {
  const parsed = parseDocument(line);
  return parsed.ok ? 'good' : parsed.reason;
}

function subscribe(attributes: string, address = `${server};ip=192.168.1.9:17320`): string {
  return `${open} to="ab:*" from="${address}"><subscribe ${attributes}/></hosp>`;
}

function connect(attributes: string): string {
  return `${open} to="${server}" from="${client}"><connect stream="main" media="text/plain" term="1" ${attributes}/></hosp>`;
}

describe('documents', () => {
  it('are read the same by the short way for what we wrote and by the parser, for which a space in front is enough', () => {
    fc.assert(
      fc.property(documents, (document) => {
        const line = encodeDocument(document);
        expect(parseDocument(line)).toEqual(parseDocument(` ${line}`));
      }),
    );
  });

  it.each([
    ['an attribute twice', (line: string) => line.replace('<hosp ', '<hosp xmlns="" ')],
    ['an attribute of the body twice', (line: string) => line.replace(' max=', ' max="3" max=')],
    ['an unknown attribute', (line: string) => line.replace(' max=', ' new="x" max=')],
    ['text behind the end', (line: string) => `${line}x`],
    ['another end', (line: string) => line.replace('</hosp>', '</hops>')],
  ])('are read the same either way with %s', (_, change) => {
    const [golden = ''] = goldenDocuments;
    const changed = change(golden);
    expect(changed).not.toBe(golden);
    expect(parseDocument(changed)).toEqual(parseDocument(` ${changed}`));
  });

  it('are the same bytes after encoding, parsing and encoding', () => {
    fc.assert(
      fc.property(documents, (document) => {
        const line = encodeDocument(document);
        const parsed = parseDocument(line);
        if (!parsed.ok) throw new Error(`${parsed.detail}: ${line}`);
        expect(parsed.value.body).toEqual(document);
        expect(encodeDocument(parsed.value.body)).toBe(line);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(goldenDocuments)('print as they stand on the wire: %s', (golden) => {
    const parsed = parseDocument(`${golden}\r\n`);
    if (!parsed.ok) throw new Error(parsed.detail);
    expect(encodeDocument(parsed.value.body)).toBe(golden);
  });

  it('trim the white space that the figures print around attribute values', () => {
    const parsed = parseDocument(
      `${open} to=" ab:* " from=" ${server};ip=192.168.1.9:17320 "><subscribe features=" hcsp, webs " connected=" 0" max="5 "/></hosp>`,
    );
    if (!parsed.ok) throw new Error(parsed.detail);
    expect(parsed.value.body).toEqual({
      kind: 'subscribe',
      to: 'ab:*',
      from: { id: server, address: { ip: '192.168.1.9', port: 17320 } },
      features: ['hcsp', 'webs'],
      connected: 0,
      max: 5,
      also: [],
    });
  });

  it.each([
    ['unknown attributes', `${open} color="red"><end offset="5" why="later"/></hosp>`],
    ['unknown children', `${open}><later><deep/></later><end offset="5"/><more/></hosp>`],
    ['single quotes', `${open}><end offset='5'/></hosp>`],
    ['an element with an end tag', `${open}><end offset="5"></end></hosp>`],
  ])('ignore %s', (_what, line) => {
    expect(reasonOf(line)).toBe('good');
  });

  it('say who is addressed where hosp says it, whatever the kind', () => {
    const parsed = parseDocument(`${open} to="${client}"><ping/></hosp>`);
    expect(parsed).toEqual({ ok: true, value: { to: client, body: { kind: 'ping' } } });
  });

  it.each([
    ['too-long', `${open}><ping/>${' '.repeat(9000)}</hosp>`],
    ['not-ascii', `${open}><ping why="é"/></hosp>`],
    ['not-ascii', `${open}>\n<ping/></hosp>`],
    ['not-ascii', `${open}>\u0000<ping/></hosp>`],
    ['markup', `<!DOCTYPE hosp>${open}><ping/></hosp>`],
    ['markup', `<?xml version="1.0"?>${open}><ping/></hosp>`],
    ['markup', `${open}><!-- comment --><ping/></hosp>`],
    ['markup', `${open}><![CDATA[x]]><ping/></hosp>`],
    ['markup', `${open}><ping why="&lt;"/></hosp>`],
    ['not-xml', ''],
    ['not-xml', 'garbage'],
    ['not-xml', `garbage${open}><ping/></hosp>`],
    ['not-xml', `${open}><ping/></hosp>garbage`],
    ['not-xml', `${open}><ping/></hosp>garbage<a/>`],
    ['not-xml', `${open}><ping/></hosp>${open}><ping/></hosp>`],
    ['not-xml', `${open}><ping></hosp></ping>`],
    ['not-xml', `${open}><end offset="1" offset="2"/></hosp>`],
    ['not-xml', `${open}><end offset=1/></hosp>`],
    ['not-xml', `${open}><end offset/></hosp>`],
    ['not-xml', `${open}><ping why="<"/></hosp>`],
    ['not-xml', `${open}><__proto__/></hosp>`],
    ['too-deep', `${open}>${'<a>'.repeat(8)}${'</a>'.repeat(8)}<ping/></hosp>`],
    ['prefix', `<h:hosp xmlns:h="${hospNamespace}"><ping/></h:hosp>`],
    ['prefix', `${open}><h:later/><ping/></hosp>`],
    ['not-hosp', `<hosp><ping/></hosp>`],
    ['not-hosp', `<hosp xmlns="${hospNamespace}/"><ping/></hosp>`],
    ['not-hosp', `<host xmlns="${hospNamespace}"><ping/></host>`],
    ['child', `${open}></hosp>`],
    ['child', `${open}><later/></hosp>`],
    ['child', `${open}><ping/><ping/></hosp>`],
    ['not-xml', `${open}><constructor/></hosp>`],
    ['value', `${open}>text<ping/></hosp>`],
    ['value', `${open}><ping>text</ping></hosp>`],
  ])('are %s: %s', (reason, line) => {
    expect(reasonOf(line)).toBe(reason);
  });

  it.each([
    subscribe('features="a" connected="0"'),
    subscribe('features="a" connected="0" max="100001"'),
    subscribe('features="a" connected="-1" max="1"'),
    subscribe('features="a" connected="01" max="1"'),
    subscribe('features="a" connected="1e3" max="1"'),
    subscribe('features="a" connected="0x1" max="1"'),
    subscribe('features="a" connected="" max="1"'),
    subscribe('features="A" connected="0" max="1"'),
    subscribe('features="a,a" connected="0" max="1"'),
    subscribe('features="a,,b" connected="0" max="1"'),
    subscribe(`features="${'a'.repeat(33)}" connected="0" max="1"`),
    subscribe(`features="${Array.from({ length: 33 }, (_, i) => `f${i}`).join(',')}" connected="0" max="1"`),
    subscribe('features="a" connected="0" max="1" boot="1"'),
    subscribe('features="a" connected="0" max="1" boot="9007199254740992" seq="1"'),
    subscribe(
      `features="a" connected="0" max="1" also="${Array.from({ length: 9 }, () => '10.0.0.1:1').join(',')}"`,
    ),
    subscribe('features="a" connected="0" max="1" also="nuc:17320"'),
    subscribe('features="a" connected="0" max="1"', server),
    subscribe('features="a" connected="0" max="1"', `${server};ip=192.168.1.9:0`),
    subscribe('features="a" connected="0" max="1"', `${server};ip=192.168.1.9:65536`),
    subscribe('features="a" connected="0" max="1"', `${server};ip=192.168.1.09:1`),
    subscribe('features="a" connected="0" max="1"', `${server};ip=10.1:1`),
    subscribe('features="a" connected="0" max="1"', `${server};ip=[fe80::1%eth0]:1`),
    subscribe('features="a" connected="0" max="1"', `${server};ip=10.0.0.1:1;ip=10.0.0.2:1`),
    subscribe('features="a" connected="0" max="1"', `${client};ip=10.0.0.1:1`),
    subscribe('features="a" connected="0" max="1"').replace('ab:*', client),
    connect('weights="gpu=-1"'),
    connect('weights="gpu"'),
    connect('weights="gpu=1,gpu=2"'),
    connect('weights="gpu=1=2"'),
    connect('mode="best"'),
    connect('left="ab:EIW6Qe0ARnWrsJZTsHWada"'),
    connect('why="a b"'),
    connect('').replace('stream="main"', 'stream="../etc"'),
    connect('').replace('text/plain', 'text/html'),
    connect('').replace('term="1"', ''),
    `${open}><ack received="1" durable="2"/></hosp>`,
    `${open}><begin offset="1" time="1" why="later"/></hosp>`,
    `${open}><bye reason="tired"/></hosp>`,
    `${open}><refused id="${client}" reason="full"/></hosp>`,
    `${open}><signed></signed></hosp>`,
    `${open}><signed>a</signed></hosp>`,
    `${open}><signed>MIIE PA==</signed></hosp>`,
    `${open}><serves client="ab:*" term="1"/></hosp>`,
    `${open}><peers>${`<server id="${server};ip=10.0.0.1:1"/>`.repeat(17)}</peers></hosp>`,
    `${open}><peers><server id="${server}"/></peers></hosp>`,
  ])('have a value out of its limits: %s', (line) => {
    expect(reasonOf(line)).toBe('value');
  });

  it('take what is just within the limits', () => {
    const names = Array.from({ length: 32 }, (_, index) => `${index}`.padStart(32, 'f'));
    const also = Array.from({ length: 8 }, () => '[fd00::1]:65535').join(',');
    const line = subscribe(
      `features="${names.join(',')}" connected="100000" max="100000" boot="9007199254740991" seq="0" also="${also}"`,
    );
    expect(reasonOf(line)).toBe('good');
    expect(reasonOf(`${open}>${'<a>'.repeat(7)}${'</a>'.repeat(7)}<ping/></hosp>`)).toBe('good');
  });

  it('name an offender in printable ASCII and short', () => {
    const parsed = parseDocument(subscribe(`features="${'A'.repeat(3000)}" connected="0" max="1"`));
    if (parsed.ok) throw new Error('taken');
    expect(parsed.detail.length).toBeLessThan(200);
    expect(parsed.detail).toMatch(/^[\x20-\x7e…]*$/);
  });

  it('give a weight to a feature that is called like a property of every object', () => {
    const parsed = parseDocument(connect('weights="constructor=3"'));
    expect(parsed.ok && parsed.value.body.kind === 'connect' && parsed.value.body.weights).toEqual({
      constructor: 3,
    });
  });

  it('are not made of values that no attribute can hold', () => {
    expect(() => encodeDocument({ kind: 'signed', message: '"' })).toThrow(RangeError);
    expect(() => encodeDocument({ kind: 'signed', message: 'A'.repeat(9000) })).toThrow(RangeError);
  });

  it('are refused or harmless at every truncation and bit flip', () => {
    for (const golden of goldenDocuments) {
      const bytes = Buffer.from(golden, 'latin1');
      for (let length = 0; length < bytes.length; length += 1) {
        expect(parseDocument(bytes.subarray(0, length)).ok, `${golden} cut at ${length}`).toBe(false);
      }
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(findHarm(flipped)).toBeUndefined();
      }
    }
  });

  it('are refused or harmless under 20,000 seeded mutations', { timeout: fuzzTimeoutMs }, () => {
    const random = seededRandom(17320);
    const rounds = fuzzRounds(20_000);
    const goldens = goldenDocuments.map((golden) => Buffer.from(golden, 'latin1'));
    for (let round = 0; round < rounds; round += 1) {
      const golden = goldens[round % goldens.length] ?? Buffer.alloc(1);
      expect(findHarm(mutate(golden, goldens, random))).toBeUndefined();
    }
  });
});

/** What is taken is well-formed and says nothing that we could not say ourselves, in the same words the second time. */
function findHarm(bytes: Buffer): string | undefined {
  const parsed = parseDocument(bytes);
  if (!parsed.ok) return /^[\x20-\x7e…]*$/.test(parsed.detail) ? undefined : `detail ${parsed.detail}`;
  const text = bytes.toString('latin1').trim();
  if (XMLValidator.validate(text) !== true) return `not well-formed: ${text}`;
  const line = encodeDocument(parsed.value.body);
  const again = parseDocument(line);
  return again.ok && encodeDocument(again.value.body) === line ? undefined : `changes: ${line}`;
}
