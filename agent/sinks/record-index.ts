/**
 * The index of a stream's recordings, `index.jsonl`:
 *
 *     {"term":1790000000000,"offset":188,"position":940,"time":1790000000123,"pts":90000,"why":"cut","file":"1790000000000-0.ts"}
 *
 * A line says: in `file`, the next counted byte at `position` has `offset`. Between two lines of a file, in order of position,
 * the bytes are counted where offset and position grew alike, and injected where the offset stayed. A line is written only
 * after the bytes before its position are safe, so that the index is also the record of what was durable: bytes of a file
 * behind its last line are nobody's, and are cut off at the next start.
 */
import { z } from 'zod';
import { parseSegmentName } from './record-names.ts';

const count = z.int().min(0);

const indexLine = z.object({
  term: count,
  offset: count,
  /** Bytes from the start of the file. */
  position: count,
  /** The client's clock, Unix milliseconds. */
  time: count,
  /** 90 kHz, 33 bits; absent where unknown. */
  pts: count.optional(),
  /** What a `begin` said, a new file at a cut, a cut, the edges of injected bytes, or only that all before it is safe. */
  why: z.enum([
    'start',
    'handover',
    'replay',
    'source',
    'codec',
    'gap',
    'segment',
    'cut',
    'injected',
    'resumed',
    'safe',
  ]),
  file: z.string(),
});

export type IndexLine = z.infer<typeof indexLine>;
export type IndexWhy = IndexLine['why'];

/** Longer lines are damage: ours have at most 250 characters. */
export const maxIndexLineBytes = 1024;

/** One line with its line feed. */
export function encodeIndexLine(line: IndexLine): string {
  const { term, offset, position, time, pts, why, file } = line;
  return `${JSON.stringify({ term, offset, position, time, pts, why, file })}\n`;
}

/** Undefined for a torn or damaged line; never throws. */
export function parseIndexLine(text: string): IndexLine | undefined {
  if (text.length > maxIndexLineBytes) return undefined;
  const line = indexLine.safeParse(parseJson(text)).data;
  return line !== undefined && parseSegmentName(line.file)?.term === line.term ? line : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
