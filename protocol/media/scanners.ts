/** Chooses the scanner of a media type. */
import type { MediaType } from '../documents.ts';
import { ByteScanner } from './byte-scanner.ts';
import { LineScanner } from './line-scanner.ts';
import type { MediaScanner } from './scanner.ts';
import { TsScanner } from './ts-scanner.ts';

/**
 * A scanner for a stream that begins (or is joined) at `startOffset`.
 *
 * @example for (const mark of createScanner('video/mp2t').push(bytes)) if (mark.kind === 'cut') console.log(mark.offset);
 */
export function createScanner(media: MediaType, startOffset = 0): MediaScanner {
  return scanners[media](startOffset);
}

const scanners: Readonly<Record<MediaType, (startOffset: number) => MediaScanner>> = {
  'video/mp2t': (startOffset) => new TsScanner(startOffset),
  'application/x-ndjson': (startOffset) => new LineScanner('application/x-ndjson', startOffset),
  'text/plain': (startOffset) => new LineScanner('text/plain', startOffset),
  'application/octet-stream': (startOffset) => new ByteScanner(startOffset),
};
