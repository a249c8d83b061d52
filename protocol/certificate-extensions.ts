/** The extensions that decide what a certificate may be used for. @see RFC 5280 4.2.1 */
import type { Certificate } from './certificate-parsing.ts';
import { DerReader, contentOf, contextTag, derTags, oidOf, parseDer } from './der.ts';
import { oids } from './oids.ts';

const understood: ReadonlySet<string> = new Set([
  oids.basicConstraints,
  oids.keyUsage,
  oids.extendedKeyUsage,
  oids.subjectAltName,
  oids.subjectKeyIdentifier,
  oids.authorityKeyIdentifier,
]);

/** The object identifier (hexadecimal) of the first critical extension that is not understood. */
export function judgeCritical({ extensions }: Certificate): string | undefined {
  return extensions.find(({ oid, isCritical }) => isCritical && !understood.has(oid))?.oid;
}

/** `leaf` where the extension is absent or says so. */
export function readBasicConstraints(certificate: Certificate): 'ca' | 'leaf' | 'malformed' {
  const content = findExtension(certificate, oids.basicConstraints);
  if (content === undefined) return 'leaf';
  const value = parseDer(content);
  if (value?.tag !== derTags.sequence) return 'malformed';
  const reader = new DerReader(value);
  const flag = reader.takeIf(derTags.boolean);
  if (flag !== undefined) reader.takeIf(derTags.integer);
  if (!reader.isDone || (flag !== undefined && contentOf(flag)[0] !== 0xff)) return 'malformed';
  return flag === undefined ? 'leaf' : 'ca';
}

export interface KeyUsage {
  readonly digitalSignature: boolean;
  readonly keyCertSign: boolean;
}

/** Undefined where the extension is absent; one that cannot be read allows nothing. */
export function readKeyUsage(certificate: Certificate): KeyUsage | undefined {
  const content = findExtension(certificate, oids.keyUsage);
  if (content === undefined) return undefined;
  const value = parseDer(content);
  const bits = value?.tag === derTags.bitString ? (contentOf(value)[1] ?? 0) : 0;
  return { digitalSignature: (bits & 0x80) !== 0, keyCertSign: (bits & 0x04) !== 0 };
}

const maxPurposes = 16;

/** Object identifiers as `oidOf` gives them; empty where the extension is absent or cannot be read. */
export function readExtendedKeyUsage(certificate: Certificate): readonly string[] {
  const value = parseDer(findExtension(certificate, oids.extendedKeyUsage) ?? new Uint8Array());
  if (value?.tag !== derTags.sequence) return [];
  return new DerReader(value).takeAll(derTags.oid, maxPurposes).map(oidOf);
}

const maxAltNames = 64;
const uriTag = contextTag(6, false);

/** The URIs among the subject's alternative names, as Latin-1; undefined where the extension is absent or malformed. */
export function readUris(certificate: Certificate): readonly string[] | undefined {
  const value = parseDer(findExtension(certificate, oids.subjectAltName) ?? new Uint8Array());
  if (value?.tag !== derTags.sequence) return undefined;
  const reader = new DerReader(value);
  const uris: string[] = [];
  for (let count = 0; count < maxAltNames && !reader.isDone; count += 1) {
    const name = reader.takeAny();
    if (name.tag === uriTag) uris.push(Buffer.from(contentOf(name)).toString('latin1'));
  }
  return reader.isDone ? uris : undefined;
}

/** The DER inside an extension of this kind. */
export function findExtension({ extensions }: Certificate, oid: string): Uint8Array | undefined {
  return extensions.find((extension) => extension.oid === oid)?.content;
}
