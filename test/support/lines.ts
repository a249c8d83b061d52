/** The other side of a connection that speaks lines: what came, as documents, and what to wait for. */
import type { Socket } from 'node:net';
import { vi } from 'vitest';
import { type HospDocument, parseDocument } from '../../protocol/documents.ts';
import { LineReader } from '../../protocol/lines.ts';

type Kind = HospDocument['kind'];
type Of<K extends Kind> = Extract<HospDocument, { kind: K }>;

interface HeardLine {
  readonly document: HospDocument;
  readonly atMs: number;
}

export interface LineEar {
  readonly lines: readonly HeardLine[];
  readonly hasEnded: boolean;
  readonly isClosed: boolean;
  all<K extends Kind>(kind: K): readonly Of<K>[];
  /** Resolves with the last document of that kind that matches, when it has come. */
  waitFor<K extends Kind>(kind: K, matches?: (document: Of<K>) => boolean): Promise<Of<K>>;
  waitForClose(): Promise<void>;
}

/** Reads documents off a socket from now on; throws in the reader on what is no document. */
export function hearLines(socket: Socket): LineEar {
  const lines: HeardLine[] = [];
  const reader = new LineReader();
  let [hasEnded, isClosed] = [false, false];
  socket.on('data', (bytes: Uint8Array) => {
    reader.push(bytes);
    for (let line = reader.next(); line !== undefined; line = reader.next()) {
      const parsed = line.ok ? parseDocument(line.value) : line;
      if (!parsed.ok) throw new Error(parsed.detail);
      lines.push({ document: parsed.value.body, atMs: performance.now() });
    }
  });
  socket.on('end', () => (hasEnded = true));
  socket.on('close', () => (isClosed = true));
  socket.on('error', () => {
    // `close` follows.
  });
  const isOf =
    <K extends Kind>(kind: K) =>
    (document: HospDocument): document is Of<K> =>
      document.kind === kind;
  const all = <K extends Kind>(kind: K) => lines.map(({ document }) => document).filter(isOf(kind));
  return {
    lines,
    get hasEnded() {
      return hasEnded;
    },
    get isClosed() {
      return isClosed;
    },
    all,
    waitFor: (kind, matches = () => true) =>
      vi.waitFor(() => {
        const found = all(kind).findLast(matches);
        if (found === undefined) {
          const last = JSON.stringify(lines.slice(-5).map(({ document }) => document));
          throw new Error(`no such ${kind} came; the last were ${last}`);
        }
        return found;
      }, 10_000),
    waitForClose: () =>
      vi.waitFor(() => {
        if (!isClosed) throw new Error('the connection is still open');
      }, 15_000),
  };
}
