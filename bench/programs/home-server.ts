/** A home server of ours without sinks, as a program; what it announces is changed by whoever asks. */
import { z } from 'zod';
import { openServer, type RunningServer } from '../../agent/server/server.ts';
import type { ServerConfig } from '../../agent/server/core-events.ts';
import { trustOf } from '../../test/support/certificates.ts';
import { settableTrust } from '../../test/support/live-trust.ts';
import { identityOf, papers } from '../home.ts';
import { monotonicMs } from '../machine.ts';
import { answerRequests } from '../program.ts';

const opening = z.object({ anchorsPem: z.string(), papers });
const change = z.object({ features: z.array(z.string()), max: z.number(), peers: z.array(z.string()) });

let server: RunningServer | undefined;
let linked = 0;

answerRequests({
  /** @returns the port */
  open: async (input) => {
    const { anchorsPem, papers: texts } = opening.parse(input);
    server = await openServer({
      identity: identityOf(texts),
      trust: settableTrust(trustOf(anchorsPem)),
      config: configOf({ features: [], max: 0, peers: [] }),
      sinks: [],
      saved: undefined,
      onSave: () => {},
      emit: ({ event }) => {
        if (event === 'linked') linked += 1;
      },
    });
    return server.port;
  },
  /** @returns when it did, in monotonic milliseconds */
  configure: (input) => {
    const atMs = monotonicMs();
    server?.configure(configOf(change.parse(input)));
    return atMs;
  },
  linked: () => linked,
  connected: () => server?.status().connected,
});

function configOf(changed: z.output<typeof change>): ServerConfig {
  return {
    ...changed,
    intervalMs: 10_000,
    isDrained: false,
    suspendedClients: new Set(),
    listenPort: 0,
    isAnnounced: false,
    // An interface is named so that the port is opened on this machine only.
    interfaces: ['lo'],
    excludeInterfaces: [],
  };
}
