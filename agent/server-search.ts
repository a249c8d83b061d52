/** Where this agent's cameras look for a server. */
import type { Endpoint } from '../protocol/endpoints.ts';
import type { ClientOptions } from './client/client.ts';
import { discoverServers } from './client/discovery.ts';
import type { EmitEvent } from './events.ts';
import type { KnownServers } from './known-servers.ts';
import { openPeerAddresses } from './server/peer-addresses.ts';
import type { RunningServer } from './server/server.ts';
import type { LiveTrust } from './trust-directory.ts';

export interface ServerSearch {
  /** To try first. */
  readonly servers: readonly Endpoint[];
  readonly discover: NonNullable<ClientOptions['discover']>;
  close(): Promise<void>;
}

/** With a server of our own: that one, and whom it knows. Our cameras reach it whatever the networks do. */
export function searchFromServer({ port }: RunningServer, known: KnownServers): ServerSearch {
  return {
    servers: [{ ip: '127.0.0.1', port }],
    discover: (onServer) => known.subscribe(onServer),
    close: async () => {},
  };
}

/** Client only: servers whose address is configured (`host:port`), and those that announce themselves. */
export async function searchByListening(
  addresses: readonly string[],
  trust: LiveTrust,
  emit: EmitEvent,
): Promise<ServerSearch> {
  const servers = await findAddresses(addresses);
  const listening = await discoverServers({ trust, interfaces: [], emit });
  return {
    servers,
    discover: (onServer) => listening.subscribe(onServer),
    close: async () => listening.close(),
  };
}

/** Names are looked up once; servers that are not found now are found by their announcements. */
async function findAddresses(addresses: readonly string[]): Promise<readonly Endpoint[]> {
  const { promise, resolve } = Promise.withResolvers<ReadonlyMap<string, Endpoint>>();
  const lookUp = openPeerAddresses(resolve);
  lookUp.set(addresses);
  const found = await promise;
  lookUp.close();
  return [...found.values()];
}
