/** Clients of ours in one process, each with a source that gives a few bytes now and then; says when each has moved. */
import { z } from 'zod';
import { openClient, type RunningClient } from '../../agent/client/client.ts';
import { defaultClientConfig } from '../../agent/client/core-events.ts';
import { createRingBudget } from '../../agent/client/ring-budget.ts';
import type { SourceListener } from '../../agent/sources/source.ts';
import type { Untimed } from '../../agent/events.ts';
import { createScanner } from '../../protocol/media/scanners.ts';
import { trustOf } from '../../test/support/certificates.ts';
import { settableTrust } from '../../test/support/live-trust.ts';
import { identityOf, papers } from '../home.ts';
import { monotonicMs } from '../machine.ts';
import { answerRequests } from '../program.ts';

const opening = z.object({ anchorsPem: z.string(), papers: z.array(papers), port: z.number() });
const clients: RunningClient[] = [];
const sources = new Set<SourceListener>();
const budget = createRingBudget();
/** Each client gives some bytes five times a second, and not all at once. */
const rounds = 20;
const roundMs = 10;
const someBytes = Buffer.alloc(200, 'x');

let connected = 0;
let moved: number[] = [];

giveBytes();
answerRequests({
  /** Opens further clients. */
  open: (input) => {
    const { anchorsPem, papers: all, port } = opening.parse(input);
    const trust = settableTrust(trustOf(anchorsPem));
    for (const texts of all) {
      const identity = identityOf(texts);
      clients.push(
        openClient({
          identity,
          trust,
          config: { ...defaultClientConfig, name: identity.leaf.name, media: 'application/octet-stream' },
          servers: [{ ip: '127.0.0.1', port }],
          openSource: (listener) => {
            sources.add(listener);
            return { close: () => Promise.resolve() };
          },
          scannerFor: createScanner,
          ringBudget: budget,
          saved: { term: 0, servers: [] },
          onSave: () => {},
          emit: note,
        }),
      );
    }
  },
  /** How many have ever been connected. */
  connected: () => connected,
  /** When each client had its first ack elsewhere, in monotonic milliseconds. */
  moved: () => moved,
  forget: () => {
    moved = [];
  },
});

function note({ event }: Untimed): void {
  if (event === 'connected') connected += 1;
  if (event === 'handedOver') moved.push(monotonicMs());
}

function giveBytes(): void {
  let round = 0;
  setInterval(() => {
    round += 1;
    let index = 0;
    for (const source of sources) {
      if (index % rounds === round % rounds) source.onBytes(someBytes);
      index += 1;
    }
  }, roundMs);
}
