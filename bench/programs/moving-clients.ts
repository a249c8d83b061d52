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
import type { Identity } from '../../tls/identity.ts';
import type { LiveTrust } from '../../agent/trust-directory.ts';
import { identityOf, papers } from '../home.ts';
import { monotonicMs } from '../machine.ts';
import { answerRequests } from '../program.ts';

const opening = z.object({ anchorsPem: z.string(), papers: z.array(papers), port: z.number() });
/** A client and what gives its bytes. */
interface Camera {
  readonly client: RunningClient;
  readonly source: SourceListener;
}

const cameras = new Map<string, Camera>();
/** Sent away and not there yet. */
const moving = new Set<string>();
const budget = createRingBudget();
/** What the cameras give by themselves must cost next to nothing beside their moving: 500 times a second in all. */
const rounds = 200;
const roundMs = 10;
/** A client that waits for a place where its stream may be cut finds one so soon, as it would with 40 frames a second. */
const cutEveryMs = 25;
const someBytes = Buffer.alloc(200, 'x');

let connected = 0;
let moved: number[] = [];

giveBytes();
answerRequests({
  /** Opens further clients. */
  open: (input) => {
    const { anchorsPem, papers: all, port } = opening.parse(input);
    const trust = settableTrust(trustOf(anchorsPem));
    for (const texts of all) openCamera(identityOf(texts), trust, port);
  },
  /** How many have ever been connected. */
  connected: () => connected,
  /** When each client had its first ack elsewhere, in monotonic milliseconds. */
  moved: () => moved,
  forget: () => {
    moved = [];
  },
});

function openCamera(identity: Identity, trust: LiveTrust, port: number): void {
  const { name } = identity.leaf;
  const opened: { source?: SourceListener } = {};
  const client = openClient({
    identity,
    trust,
    config: { ...defaultClientConfig, name, media: 'application/octet-stream' },
    servers: [{ ip: '127.0.0.1', port }],
    openSource: (listener) => {
      opened.source = listener;
      return { close: () => Promise.resolve() };
    },
    scannerFor: createScanner,
    ringBudget: budget,
    saved: { term: 0, servers: [] },
    onSave: () => {},
    emit: note,
  });
  if (opened.source !== undefined) cameras.set(name, { client, source: opened.source });
}

function note(event: Untimed): void {
  if (event.event === 'connected') connected += 1;
  if (event.event === 'redirected') moving.add(event.client);
  if (event.event !== 'handedOver') return;
  moving.delete(event.client);
  moved.push(monotonicMs());
}

function giveBytes(): void {
  let round = 0;
  setInterval(() => {
    round += 1;
    let index = 0;
    for (const { source } of cameras.values()) {
      if (index % rounds === round % rounds) source.onBytes(someBytes);
      index += 1;
    }
  }, roundMs);
  setInterval(() => {
    for (const name of moving) {
      const camera = cameras.get(name);
      if (camera?.client.status().phase !== 'waitCut') continue;
      // Up to the cut, and from it on.
      camera.source.onBytes(someBytes);
      camera.source.onBytes(someBytes);
    }
  }, cutEveryMs);
}
