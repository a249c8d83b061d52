/** Signed announcements: made and read by us and by the real openssl, and everything that must be dropped. */
import { type KeyObject, createHash, sign } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type AnnouncementDropReason,
  announcementDropReasons,
  maxAnnouncementBytes,
  maxDatagramBytes,
  peekAnnouncement,
  signAnnouncement,
  verifyAnnouncement,
} from '../../protocol/announcements.ts';
import { encodeKeyUsage } from '../support/certificate-encoding.ts';
import { LeafCache } from '../../protocol/certificates.ts';
import { DerReader, contentOf, contextTag, derTags, hexOf, parseDer, wholeOf } from '../../protocol/der.ts';
import {
  encodeDer,
  encodeDerInteger,
  encodeDerSet,
  encodeDerTime,
  encodeOid,
} from '../support/der-encoding.ts';
import { type Subscribe, encodeDocument } from '../../protocol/documents.ts';
import { type ServerId, isServerId } from '../../protocol/identifiers.ts';
import { oids } from '../../protocol/oids.ts';
import { certificateDropReasons } from '../../protocol/trust.ts';
import { mintHome } from '../support/certificates.ts';
import {
  type Minted,
  clientUri,
  dayMs,
  mintCa,
  mintKey,
  mintLeaf,
  mintedFrom,
  serverUri,
  trusting,
} from '../support/chains.ts';
import { describeWith } from '../support/needs.ts';
import { openOpensslFolder } from '../support/openssl.ts';

const nowMs = Date.now();
const ca = mintCa();
const pi = mintLeaf(ca);
const nuc = mintLeaf(ca, { cn: 'nuc', uris: ['hcsp:gc3YWhxMRQGVbboYIEgxwA'] });
const door = mintLeaf(ca, { cn: 'default/door', uris: [clientUri], purposes: [oids.clientAuth] });
const rsa = mintLeaf(ca, { key: mintKey(2048) });
const trust = trusting(ca);
const document = Buffer.from(encodeDocument(subscribeOf(serverUri)));

function subscribeOf(id: string, features: readonly string[] = ['hcsp', 'webs', 'db']): Subscribe {
  return {
    kind: 'subscribe',
    to: 'ab:*',
    from: { id: serverId(id), address: { ip: '192.168.1.9', port: 17_320 } },
    features,
    connected: 0,
    max: 5,
    order: { boot: 1_790_000_000_000, seq: 12 },
    also: [{ ip: 'fd00::9', port: 17_320 }],
  };
}

function serverId(id: string): ServerId {
  if (!isServerId(id)) throw new Error(`${id} is no server's`);
  return id;
}

/** Everything in a message, so that each can be wrong. */
interface Parts {
  readonly content: Uint8Array;
  readonly leaf: Minted;
  readonly key: KeyObject;
  readonly certificates: readonly Uint8Array[];
  readonly digests: readonly Uint8Array[];
  readonly contentType: string;
  readonly sid: Uint8Array;
  readonly digestAlgorithm: Uint8Array;
  readonly attributes: readonly Uint8Array[];
  readonly signatureAlgorithm: Uint8Array;
  /** Behind the signature. */
  readonly unsigned: readonly Uint8Array[];
  /** Between certificates and signers. */
  readonly crls: readonly Uint8Array[];
  readonly signers: number;
  readonly isDetached: boolean;
  readonly isSignedAsFound: boolean;
  readonly rewrite: (signature: Uint8Array) => Uint8Array;
  readonly versions: readonly [outer: number, signer: number];
}

const algorithm = (oid: string, ...parameters: readonly Uint8Array[]) =>
  encodeDer(derTags.sequence, encodeOid(oid), ...parameters);
const attribute = (oid: string, ...values: readonly Uint8Array[]) =>
  encodeDer(derTags.sequence, encodeOid(oid), encodeDer(derTags.set, ...values));
const digestOf = (content: Uint8Array) =>
  encodeDer(derTags.octetString, createHash('sha256').update(content).digest());
const nullValue = encodeDer(derTags.null);
const sha1 = algorithm('2b0e03021a', nullValue);
const sha512 = algorithm('608648016503040203');
const typeAttribute = attribute(oids.contentType, encodeOid(oids.data));
const timeAttribute = attribute(oids.signingTime, encodeDerTime(nowMs));
const digestAttribute = (content: Uint8Array) => attribute(oids.messageDigest, digestOf(content));
const sidOf = ({ certificate }: Minted) =>
  encodeDer(derTags.sequence, certificate.issuer, encodeDerInteger(certificate.serial));

function build(changes: Partial<Parts>): Buffer {
  const leaf = changes.leaf ?? pi;
  const content = changes.content ?? document;
  const isRsa = leaf.key.asymmetricKeyType === 'rsa';
  return assemble({
    content,
    leaf,
    key: leaf.key,
    certificates: [leaf.der],
    digests: [algorithm(oids.sha256)],
    contentType: oids.data,
    sid: sidOf(leaf),
    digestAlgorithm: algorithm(oids.sha256),
    attributes: [typeAttribute, timeAttribute, digestAttribute(content)],
    signatureAlgorithm: isRsa ? algorithm(oids.rsaEncryption, nullValue) : algorithm(oids.ecdsaWithSha256),
    unsigned: [],
    crls: [],
    signers: 1,
    isDetached: false,
    isSignedAsFound: false,
    rewrite: (signature) => signature,
    versions: [1, 1],
    ...changes,
  });
}

function assemble(parts: Parts): Buffer {
  const context0 = contextTag(0);
  const attributes = encodeDerSet(context0, parts.attributes);
  const signed = parts.isSignedAsFound ? attributes : encodeDerSet(derTags.set, parts.attributes);
  const signer = encodeDer(
    derTags.sequence,
    encodeDerInteger(Buffer.from([parts.versions[1]])),
    parts.sid,
    parts.digestAlgorithm,
    ...(parts.attributes.length > 0 ? [attributes] : []),
    parts.signatureAlgorithm,
    encodeDer(
      derTags.octetString,
      parts.rewrite(sign('sha256', parts.attributes.length > 0 ? signed : parts.content, parts.key)),
    ),
    ...parts.unsigned,
  );
  const content = parts.isDetached
    ? []
    : [encodeDer(context0, encodeDer(derTags.octetString, parts.content))];
  const body = encodeDer(
    derTags.sequence,
    encodeDerInteger(Buffer.from([parts.versions[0]])),
    encodeDer(derTags.set, ...parts.digests),
    encodeDer(derTags.sequence, encodeOid(parts.contentType), ...content),
    ...(parts.certificates.length > 0 ? [encodeDer(context0, ...parts.certificates)] : []),
    ...parts.crls,
    encodeDer(derTags.set, ...Array.from({ length: parts.signers }, () => signer)),
  );
  return wrap(body);
}

function wrap(body: Uint8Array, type: string = oids.signedData): Buffer {
  return encodeDer(derTags.sequence, encodeOid(type), encodeDer(contextTag(0), body));
}

function flip(message: Uint8Array, at: number, bit = 0): Buffer {
  const flipped = Buffer.from(message);
  flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
  return flipped;
}

/** The outer length in four bytes, where three would do. */
function padLength(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x30, 0x83, 0]), message.subarray(2)]);
}

/** The outer length left open, as BER may. */
function makeIndefinite(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x30, 0x80]), message.subarray(4), Buffer.from([0, 0])]);
}

const golden = build({});
const text = (xml: string) => Buffer.from(xml);
const allAttributes = [typeAttribute, timeAttribute, digestAttribute(document)];
const otherAttribute = (index: number) =>
  attribute(`2b060104018d1f${index.toString(16).padStart(2, '0')}`, nullValue);

const badMessages: readonly {
  readonly what: string;
  readonly message: Uint8Array;
  readonly reason: AnnouncementDropReason;
}[] = [
  {
    what: 'larger than anything that is taken',
    message: Buffer.alloc(maxAnnouncementBytes + 1, 0x30),
    reason: 'too-large',
  },
  { what: 'nothing', message: Buffer.alloc(0), reason: 'not-der' },
  { what: 'the document alone', message: document, reason: 'not-der' },
  { what: 'noise', message: Buffer.from('0'.repeat(900)), reason: 'not-der' },
  {
    what: 'a byte behind the message',
    message: Buffer.concat([golden, Buffer.from([0])]),
    reason: 'not-der',
  },
  { what: 'the last byte missing', message: golden.subarray(0, -1), reason: 'not-der' },
  { what: 'BER: an indefinite length', message: makeIndefinite(golden), reason: 'not-der' },
  { what: 'BER: a length longer than needed', message: padLength(golden), reason: 'not-der' },
  {
    what: 'PEM',
    message: text(`-----BEGIN CMS-----\n${golden.toString('base64')}\n-----END CMS-----\n`),
    reason: 'not-der',
  },
  { what: 'a certificate', message: pi.der, reason: 'cms-shape' },
  {
    what: 'a version of CMS that does not fit the signer',
    message: build({ versions: [3, 1] }),
    reason: 'cms-shape',
  },
  {
    what: 'a version of the signer that does not fit its name',
    message: build({ versions: [1, 3] }),
    reason: 'cms-shape',
  },
  {
    what: 'a SET around everything',
    message: Buffer.concat([Buffer.from([0x31]), golden.subarray(1)]),
    reason: 'cms-shape',
  },
  {
    what: 'CMS, but not SignedData',
    message: wrap(encodeDer(derTags.octetString, document), oids.data),
    reason: 'cms-shape',
  },
  { what: 'nothing inside', message: wrap(encodeDer(derTags.sequence)), reason: 'cms-shape' },
  { what: 'a detached signature', message: build({ isDetached: true }), reason: 'cms-shape' },
  {
    what: 'content that is not plain data',
    message: build({ contentType: oids.signedData }),
    reason: 'cms-shape',
  },
  { what: 'a revocation list', message: build({ crls: [encodeDer(contextTag(1))] }), reason: 'cms-shape' },
  {
    what: 'unsigned attributes',
    message: build({ unsigned: [encodeDer(contextTag(1), timeAttribute)] }),
    reason: 'cms-shape',
  },
  {
    what: 'five certificates',
    message: build({ certificates: Array.from({ length: 5 }, () => pi.der) }),
    reason: 'cms-shape',
  },
  { what: 'no certificate', message: build({ certificates: [] }), reason: 'cms-shape' },
  { what: 'no signer', message: build({ signers: 0 }), reason: 'signers' },
  { what: 'two signers', message: build({ signers: 2 }), reason: 'signers' },
  { what: 'another signer’s name', message: build({ sid: sidOf(nuc) }), reason: 'signer-id' },
  {
    what: 'the right issuer, another serial number',
    message: build({
      sid: encodeDer(derTags.sequence, pi.certificate.issuer, encodeDerInteger(Buffer.from([7]))),
    }),
    reason: 'signer-id',
  },
  {
    what: 'another key’s identifier',
    message: build({ sid: encodeDer(contextTag(0, false), Buffer.alloc(20)), versions: [3, 3] }),
    reason: 'signer-id',
  },
  {
    what: 'a certificate that is none',
    message: build({ certificates: [encodeDer(derTags.sequence)] }),
    reason: 'signer-id',
  },
  { what: 'SHA-1', message: build({ digestAlgorithm: sha1, digests: [sha1] }), reason: 'algorithm' },
  { what: 'SHA-512', message: build({ digestAlgorithm: sha512, digests: [sha512] }), reason: 'algorithm' },
  { what: 'SHA-256 without saying so in front', message: build({ digests: [sha1] }), reason: 'algorithm' },
  {
    what: 'SHA-256 with parameters',
    message: build({ digestAlgorithm: algorithm(oids.sha256, encodeDer(derTags.octetString)) }),
    reason: 'algorithm',
  },
  {
    what: 'ECDSA with SHA-512',
    message: build({ signatureAlgorithm: algorithm(oids.ecdsaWithSha512) }),
    reason: 'algorithm',
  },
  {
    what: 'an RSA algorithm over an EC key',
    message: build({ signatureAlgorithm: algorithm(oids.sha256WithRsa, nullValue) }),
    reason: 'algorithm',
  },
  {
    what: 'an EC algorithm over an RSA key',
    message: build({ leaf: rsa, signatureAlgorithm: algorithm(oids.ecdsaWithSha256) }),
    reason: 'algorithm',
  },
  { what: 'no signed attributes', message: build({ attributes: [] }), reason: 'attributes' },
  { what: 'no contentType', message: build({ attributes: allAttributes.slice(1) }), reason: 'attributes' },
  {
    what: 'no signingTime',
    message: build({ attributes: [typeAttribute, digestAttribute(document)] }),
    reason: 'attributes',
  },
  {
    what: 'no messageDigest',
    message: build({ attributes: allAttributes.slice(0, 2) }),
    reason: 'attributes',
  },
  {
    what: 'messageDigest twice',
    message: build({ attributes: [...allAttributes, digestAttribute(text('other'))] }),
    reason: 'attributes',
  },
  {
    what: 'messageDigest with two values',
    message: build({
      attributes: [
        typeAttribute,
        timeAttribute,
        attribute(oids.messageDigest, digestOf(document), digestOf(text('other'))),
      ],
    }),
    reason: 'attributes',
  },
  {
    what: 'a contentType that is not the content’s',
    message: build({
      attributes: [attribute(oids.contentType, encodeOid(oids.signedData)), ...allAttributes.slice(1)],
    }),
    reason: 'attributes',
  },
  {
    what: 'a signingTime on 30 February',
    message: build({
      attributes: [
        typeAttribute,
        digestAttribute(document),
        attribute(oids.signingTime, encodeDer(derTags.utcTime, text('260230000000Z'))),
      ],
    }),
    reason: 'attributes',
  },
  {
    what: '17 attributes',
    message: build({
      attributes: [...allAttributes, ...Array.from({ length: 14 }, (_, index) => otherAttribute(index))],
    }),
    reason: 'attributes',
  },
  {
    what: 'the digest of something else',
    message: build({ attributes: [typeAttribute, timeAttribute, digestAttribute(text('other'))] }),
    reason: 'digest',
  },
  {
    what: 'a document changed after signing',
    message: flip(golden, golden.indexOf('max="5"') + 5),
    reason: 'digest',
  },
  { what: 'somebody else’s key', message: build({ key: nuc.key }), reason: 'signature' },
  {
    what: 'attributes signed as they stand, not as a SET',
    message: build({ isSignedAsFound: true }),
    reason: 'signature',
  },
  { what: 'a signature with a bit flipped', message: flip(golden, golden.length - 1), reason: 'signature' },
  { what: 'no XML', message: build({ content: text('hello') }), reason: 'document' },
  {
    what: 'a DOCTYPE',
    message: build({ content: text(`<!DOCTYPE x>${document.toString()}`) }),
    reason: 'document',
  },
  {
    what: 'a redirect',
    message: build({
      content: text(
        encodeDocument({
          kind: 'redirect',
          to: 'ab:*',
          from: serverId(serverUri),
          target: subscribeOf(serverUri).from,
          features: [],
          also: [],
          why: 'rank',
        }),
      ),
    }),
    reason: 'document',
  },
  {
    what: 'a document that speaks for another server',
    message: build({ content: text(encodeDocument(subscribeOf('hcsp:gc3YWhxMRQGVbboYIEgxwA'))) }),
    reason: 'identity',
  },
  { what: 'a camera that announces itself', message: build({ leaf: door }), reason: 'role' },
  {
    what: 'an unknown CA',
    message: build({ leaf: mintLeaf(mintCa({ cn: 'Stranger CA' })) }),
    reason: 'unknown-ca',
  },
  {
    what: 'an expired certificate',
    message: build({ leaf: mintLeaf(ca, {}, { notAfterMs: nowMs - dayMs }) }),
    reason: 'expired',
  },
  { what: 'a CA as signer', message: build({ leaf: ca }), reason: 'leaf-is-ca' },
  {
    what: 'a key that may not sign',
    message: build({ leaf: mintLeaf(ca, { keyUsage: encodeKeyUsage(2) }) }),
    reason: 'key-usage',
  },
  { what: 'an intermediate beside the leaf', message: intermediateMessage(), reason: 'intermediate' },
  { what: 'the leaf twice', message: build({ certificates: [pi.der, pi.der] }), reason: 'intermediate' },
];

function intermediateMessage(): Buffer {
  const intermediate = mintCa({ cn: 'Intermediate', by: ca });
  const leaf = mintLeaf(intermediate);
  return build({ leaf, certificates: [intermediate.der, leaf.der] });
}

describe('a message that must be dropped', () => {
  it.each(badMessages)('$what: $reason', ({ message, reason }) => {
    expect(verifyAnnouncement(message, trust, nowMs)).toMatchObject({ ok: false, reason });
  });

  it('has each reason that is not a certificate’s', () => {
    const own = announcementDropReasons.filter(
      (reason) => !certificateDropReasons.some((other) => other === reason),
    );
    const tested = new Set<string>(badMessages.map(({ reason }) => reason));
    expect(own.filter((reason) => !tested.has(reason))).toEqual([]);
  });
});

describe('an announcement', () => {
  it('is read back as it was signed', async () => {
    const home = await mintHome();
    const identity = await home.server('pi');
    const subscribe = subscribeOf(identity.leaf.id);
    const message = signAnnouncement(subscribe, identity, nowMs);
    expect(message.length).toBeLessThan(maxDatagramBytes.ipv6);
    const verified = verifyAnnouncement(message, home.trust, nowMs);
    expect(verified).toMatchObject({ ok: true, value: { subscribe, leaf: { name: 'pi', role: 'server' } } });
  });

  it.each([Date.UTC(2049, 11, 31, 23, 59, 59), Date.UTC(2050, 0, 1)])(
    'is signed at %i',
    async (signedAtMs) => {
      const home = await mintHome({ days: 36_500 });
      const identity = await home.server('pi', { days: 36_000 });
      const message = signAnnouncement(subscribeOf(identity.leaf.id), identity, signedAtMs);
      expect(verifyAnnouncement(message, home.trust, nowMs)).toMatchObject({
        ok: true,
        value: { signedAtMs },
      });
    },
  );

  it('is only signed by whom it is about', async () => {
    const identity = await (await mintHome()).server('pi');
    expect(() => signAnnouncement(subscribeOf(serverUri), identity, nowMs)).toThrow(RangeError);
  });

  it('tells its key before anything is verified', () => {
    const peeked = peekAnnouncement(flip(golden, golden.length - 1));
    const verified = verifyAnnouncement(golden, trust, nowMs);
    if (!peeked.ok || !verified.ok) throw new Error('no announcement');
    expect(peeked.value.leafSpkiSha256).toBe(verified.value.leaf.spkiSha256);
  });

  it('is verified from what was peeked', () => {
    const peeked = peekAnnouncement(golden);
    if (!peeked.ok) throw new Error(peeked.detail);
    expect(verifyAnnouncement(peeked.value, trust, nowMs, new LeafCache()).ok).toBe(true);
  });

  it.each([
    {
      what: 'the anchor beside the leaf, in either order',
      message: build({ certificates: [ca.der, pi.der] }),
    },
    { what: 'other attributes', message: build({ attributes: [...allAttributes, otherAttribute(1)] }) },
    { what: 'a NULL beside SHA-256', message: build({ digestAlgorithm: algorithm(oids.sha256, nullValue) }) },
    {
      what: 'a signing time in 1970',
      message: build({
        attributes: [typeAttribute, digestAttribute(document), attribute(oids.signingTime, encodeDerTime(0))],
      }),
    },
    { what: 'an RSA key', message: build({ leaf: rsa }) },
    {
      what: 'a signature rewritten without the key, which is why denying goes by key',
      message: build({ rewrite: rewriteSignature }),
    },
    {
      what: 'RSA named with its hash',
      message: build({ leaf: rsa, signatureAlgorithm: algorithm(oids.sha256WithRsa, nullValue) }),
    },
    {
      what: 'its signer named by key',
      message: build({ sid: encodeDer(contextTag(0, false), keyIdentifierOf(pi)), versions: [3, 3] }),
    },
  ])('may have $what', ({ message }) => {
    expect(verifyAnnouncement(message, trust, nowMs)).toMatchObject({ ok: true });
  });
});

/** (r, s) becomes (r, n − s), which verifies as well: nobody needs the key for it. */
function rewriteSignature(signature: Uint8Array): Buffer {
  const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
  const value = parseDer(signature);
  if (value === undefined) throw new Error('no signature');
  const reader = new DerReader(value);
  const r = wholeOf(reader.take(derTags.integer));
  const s = BigInt(`0x${hexOf(contentOf(reader.take(derTags.integer)))}`);
  const other = Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex');
  return encodeDer(derTags.sequence, r, encodeDerInteger(other));
}

function keyIdentifierOf({ certificate }: Minted): Buffer {
  const extension = certificate.extensions.find(({ oid }) => oid === oids.subjectKeyIdentifier);
  return Buffer.from(extension?.content.subarray(2) ?? []);
}

describe('a golden message', () => {
  it('is dropped at every truncation', () => {
    for (let length = 0; length < golden.length; length += 1) {
      const verdict = verifyAnnouncement(golden.subarray(0, length), trust, nowMs);
      expect(verdict.ok, `${length} bytes`).toBe(false);
    }
  });

  it('is dropped at every flipped bit', () => {
    const harmless: number[] = [];
    for (let at = 0; at < golden.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const verdict = verifyAnnouncement(flip(golden, at, bit), trust, nowMs);
        if (verdict.ok) harmless.push(at);
      }
    }
    expect(harmless).toEqual([]);
  });
});

describeWith(['openssl'], 'openssl cms', () => {
  const folder = openOpensslFolder();
  afterAll(() => folder[Symbol.dispose]());
  const anchors = folder.file('ca.crt', ca.pem);
  const signing = (leaf: Minted, name: string, ...more: readonly string[]) => {
    const signer = folder.file(`${name}.crt`, leaf.pem);
    const key = folder.file(`${name}.key`, leaf.key.export({ type: 'pkcs8', format: 'pem' }).toString());
    const out = ['-outform', 'DER', '-signer', signer, '-inkey', key, '-in', folder.file('m1.xml', document)];
    return folder.run('cms', '-sign', '-binary', '-nodetach', '-nosmimecap', ...out, ...more);
  };

  it.each([
    { what: 'P-256', leaf: pi, more: [] },
    { what: 'RSA', leaf: rsa, more: [] },
    { what: 'P-384', leaf: mintLeaf(ca, { key: mintKey('P-384') }), more: [] },
    { what: 'the CA’s certificate', leaf: pi, more: ['-certfile', anchors] },
    { what: 'a signer named by its key', leaf: pi, more: ['-keyid'] },
  ])('makes a message with $what that we accept', ({ leaf, more }) => {
    const result = signing(leaf, 'good', ...more);
    expect(result).toMatchObject({ isGood: true });
    const verdict = verifyAnnouncement(result.stdout, trust, nowMs);
    expect(verdict).toMatchObject({
      ok: true,
      value: { subscribe: subscribeOf(serverUri), leaf: { id: serverUri } },
    });
  });

  it.each([
    { what: 'without signed attributes', more: ['-noattr'], reason: 'attributes' },
    { what: 'without the certificate', more: ['-nocerts'], reason: 'cms-shape' },
    { what: 'with SHA-512', more: ['-md', 'sha512'], reason: 'algorithm' },
    { what: 'as a stream (BER)', more: ['-stream'], reason: 'not-der' },
  ])('makes a message $what that we drop: $reason', ({ more, reason }) => {
    const result = signing(pi, 'pi', ...more);
    expect(result).toMatchObject({ isGood: true });
    expect(verifyAnnouncement(result.stdout, trust, nowMs)).toMatchObject({ ok: false, reason });
  });

  it.each([
    { kind: 'P-256' as const, features: ['hcsp'], isLarge: false },
    { kind: 'P-384' as const, features: ['hcsp'], isLarge: false },
    {
      kind: 'RSA' as const,
      features: Array.from({ length: 32 }, (_, index) => `feature-${index}`),
      isLarge: true,
    },
  ])('verifies ours of $kind', async ({ kind, features, isLarge }) => {
    const home = await mintHome();
    const identity = await home.server('pi', { keyKind: kind });
    const subscribe = subscribeOf(identity.leaf.id, features);
    const message = signAnnouncement(subscribe, identity, nowMs);
    expect(message.length > maxDatagramBytes.ipv4).toBe(isLarge);
    expect(verifyAnnouncement(message, home.trust, nowMs)).toMatchObject({ ok: true, value: { subscribe } });
    const file = folder.file('ours.der', message);
    const caFile = folder.file('ours.crt', mintedFrom(home.authority).pem);
    const result = folder.run(
      'cms',
      '-verify',
      '-purpose',
      'any',
      '-inform',
      'DER',
      '-binary',
      '-in',
      file,
      '-CAfile',
      caFile,
    );
    expect(result).toMatchObject({ isGood: true });
    expect(result.stdout.toString()).toBe(encodeDocument(subscribe));
  });
});
