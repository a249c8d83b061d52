/** Names of subjects and issuers: of their attributes only the common name says anything. @see RFC 5280 4.1.2.4 */
import { DerReader, type DerValue, contentOf, derTags, oidOf, parseDer } from './der.ts';
import { oids } from './oids.ts';

/** The one common name; undefined where there is none, several, or one that is neither UTF8String nor PrintableString. */
export function readCommonName(name: Uint8Array): string | undefined {
  const names = readNameAttributes(name)?.filter(({ oid }) => oid === oids.commonName);
  const [only] = names ?? [];
  return names?.length === 1 ? only?.text : undefined;
}

interface NameAttribute {
  readonly oid: string;
  readonly text: string | undefined;
}

const maxNameAttributes = 16;

function readNameAttributes(name: Uint8Array): readonly NameAttribute[] | undefined {
  const value = parseDer(name);
  if (value === undefined) return undefined;
  const sets = new DerReader(value);
  const attributes: NameAttribute[] = [];
  for (const set of sets.takeAll(derTags.set, maxNameAttributes)) {
    const members = new DerReader(set);
    attributes.push(...members.takeAll(derTags.sequence, maxNameAttributes).map(readNameAttribute));
    if (!members.isDone) return undefined;
  }
  return sets.isDone ? attributes : undefined;
}

function readNameAttribute(value: DerValue): NameAttribute {
  const reader = new DerReader(value);
  const oid = oidOf(reader.take(derTags.oid));
  const text = reader.takeAny();
  const isText = text.tag === derTags.utf8String || text.tag === derTags.printableString;
  return { oid, text: isText && reader.isDone ? Buffer.from(contentOf(text)).toString('utf8') : undefined };
}

/** One line for people: `CN=Homing CA 3f9a`, other attributes left out; empty where there is no common name. */
export function describeName(name: Uint8Array): string {
  const common = readCommonName(name);
  return common === undefined ? '' : `CN=${common}`;
}
