/** Where recordings lie: `RECORDINGS/<namespace>/<name>/<stream>/<term>-<offset>.ts` and `index.jsonl` beside them. */
import { join } from 'node:path';
import type { MediaType } from '../../protocol/documents.ts';
import { isClientName, isStreamName } from '../../protocol/identifiers.ts';
import { quote } from '../../protocol/result.ts';

/** The index of a stream's folder: one JSON object a line, only ever appended to or replaced whole. */
export const indexFileName = 'index.jsonl';

const extensions: Readonly<Record<MediaType, string>> = {
  'video/mp2t': 'ts',
  'application/x-ndjson': 'ndjson',
  'text/plain': 'txt',
  'application/octet-stream': 'bin',
};

const segmentPattern = /^(\d{1,16})-(\d{1,16})(?:\.([2-9]|[1-9]\d{1,5}))?\.(ts|ndjson|txt|bin)$/;

/** What a segment's file name says. */
export interface SegmentName {
  readonly term: number;
  /** Offset of the first counted byte in the term. */
  readonly offset: number;
  /** 1, or the number behind the offset where several sessions began at the same byte. */
  readonly copy: number;
  readonly media: MediaType;
}

/** `<term>-<offset>.ts`; a later session that begins at the same byte adds `.2`, `.3`, … */
export function formatSegmentName(segment: SegmentName): string {
  const copy = segment.copy === 1 ? '' : `.${segment.copy}`;
  return `${segment.term}-${segment.offset}${copy}.${extensions[segment.media]}`;
}

/** Undefined for a file that is no segment. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = segmentPattern.exec(name);
  if (match === null) return undefined;
  const [term, offset, copy] = [Number(match[1]), Number(match[2]), Number(match[3] ?? 1)];
  const media = mediaOfExtension(match[4] ?? '');
  if (media === undefined || !Number.isSafeInteger(term) || !Number.isSafeInteger(offset)) return undefined;
  return { term, offset, copy, media };
}

/** The media type of a file by its extension (with or without the dot). */
export function mediaOfExtension(extension: string): MediaType | undefined {
  const bare = extension.replace(/^\./, '');
  for (const [media, known] of Object.entries(extensions)) {
    if (known === bare) return isMedia(media) ? media : undefined;
  }
  return undefined;
}

function isMedia(text: string): text is MediaType {
  return Object.hasOwn(extensions, text);
}

/**
 * The folder of a stream. Names come from certificates and are DNS labels already; they are checked again here, because a
 * slip elsewhere would write outside of the recordings.
 *
 * @throws Error where a name is not made of DNS labels
 */
export function streamFolder(directory: string, name: string, stream: string): string {
  if (!isClientName(name))
    throw new Error(`opening a recording: client name ${quote(name)} is not namespace/name`);
  if (!isStreamName(stream))
    throw new Error(`opening a recording: stream ${quote(stream)} is not a DNS label`);
  return join(directory, ...name.split('/'), stream);
}
