/** Moves and other news, gathered for two seconds: one Event for a batch of moves, however many cameras it has. */
import { batchMoves, type EventNote, type Move } from './reconcile/events.ts';
import type { World } from './reconcile/world.ts';

export interface EventBatchesOptions {
  /** The home as it is, for the reasons of moves. */
  readonly world: () => World | undefined;
  /** Writes one Event. */
  readonly record: (note: EventNote) => Promise<void>;
}

export interface EventBatches {
  tell(news: { readonly move?: Move | undefined; readonly events?: readonly EventNote[] | undefined }): void;
  /** Writes what was gathered; nothing is taken after it. */
  close(): Promise<void>;
}

const gatherMs = 2000;
/** What more comes in one batch is not told apart: nobody reads it, and the API server has other work. */
const maxNotes = 20;

/** Opens it. */
export function openEventBatches({ world, record }: EventBatchesOptions): EventBatches {
  let moves: Move[] = [];
  let notes: EventNote[] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();
  const flush = (): void => {
    timer = undefined;
    const now = world();
    const batch = [...notes, ...(now === undefined ? [] : batchMoves(moves, now))].slice(0, maxNotes);
    [moves, notes] = [[], []];
    writing = writing.then(() => recordAll(batch, record));
  };
  return {
    tell({ move, events = [] }) {
      if (move !== undefined) moves.push(move);
      notes.push(...events);
      if (moves.length + notes.length > 0) timer ??= setTimeout(flush, gatherMs);
    },
    async close() {
      clearTimeout(timer);
      flush();
      await writing;
    },
  };
}

async function recordAll(
  notes: readonly EventNote[],
  record: (note: EventNote) => Promise<void>,
): Promise<void> {
  for (const note of notes) await record(note);
}
