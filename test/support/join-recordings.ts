/** Joined recordings in memory, for tests. */
import { readJoined } from '../../agent/sinks/recording-reader.ts';
import { readRecordings } from '../../agent/sinks/recordings.ts';

/** What the recordings hold of one term: bytes from the first offset on, and what is said of them. */
export async function joinRecordings(
  directories: readonly string[],
  term = 5,
): Promise<{
  first: number | undefined;
  bytes: Buffer;
  notes: string[];
  problems: readonly string[];
}> {
  const { recordings, problems } = await readRecordings(directories);
  const chunks: Uint8Array[] = [];
  const notes: string[] = [];
  let first: number | undefined;
  for (const { extents } of recordings) {
    for await (const piece of readJoined(extents.filter((extent) => extent.term === term))) {
      if (piece.kind === 'bytes') {
        first ??= piece.offset;
        chunks.push(piece.bytes);
      } else
        notes.push(
          `${piece.kind} ${piece.from}-${piece.to}${'differs' in piece && piece.differs ? ' differs' : ''}`,
        );
    }
  }
  return { first, bytes: Buffer.concat(chunks), notes, problems };
}
