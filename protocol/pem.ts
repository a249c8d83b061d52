/** PEM (RFC 7468), strictly: whole blocks of known labels. Text between blocks is a comment. */
import { bad, good, quote, type Result } from './result.ts';

export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
  /** Of its BEGIN line, from 1. */
  readonly line: number;
}

export type PemProblem = 'pem-malformed';

/** Far above a CA bundle of every public authority (some 150 certificates, 220 KB). */
const maxPemCharacters = 1 << 20;

const beginPattern = /^-----BEGIN ([A-Z0-9 ]{1,40})-----$/;
const base64Pattern = /^[A-Za-z0-9+/]{1,76}={0,2}$/;

/** Every block, in order. A block that does not end, ends under another label or holds anything but base64 is refused. */
export function parsePem(text: string): Result<readonly PemBlock[], PemProblem> {
  if (text.length > maxPemCharacters) {
    return bad('pem-malformed', `reading PEM: above ${maxPemCharacters} characters`);
  }
  const blocks: PemBlock[] = [];
  const lines = text.split('\n').map((line) => line.trimEnd());
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (!line.includes('-----')) continue;
    const label = beginPattern.exec(line)?.[1];
    if (label === undefined) return malformed(index, `${quote(line)} is no BEGIN line`);
    const end = lines.indexOf(`-----END ${label}-----`, index);
    const body = end === -1 ? [] : lines.slice(index + 1, end);
    const der = decodeBody(body);
    if (der === undefined)
      return malformed(index, `${quote(line)} is not followed by base64 and its END line`);
    blocks.push({ label, der, line: index + 1 });
    index = end;
  }
  return good(blocks);
}

export function encodePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64');
  return `-----BEGIN ${label}-----\n${base64.replaceAll(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;
}

function decodeBody(lines: readonly string[]): Uint8Array | undefined {
  const isBase64 = lines.length > 0 && lines.every((line) => base64Pattern.test(line));
  if (!isBase64) return undefined;
  const text = lines.join('');
  const der = Buffer.from(text, 'base64');
  // Node decodes leniently; what does not encode to the same text was not base64 to begin with.
  return der.toString('base64') === text ? der : undefined;
}

function malformed(index: number, why: string) {
  return bad<PemProblem>('pem-malformed', `reading PEM, line ${index + 1}: ${why}`);
}
