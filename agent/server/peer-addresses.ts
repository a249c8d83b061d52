/** Configured peers, `host:port`, as addresses: looked up again each minute, as a home's addresses change. */
import { lookup } from 'node:dns/promises';
import { type Endpoint, parseEndpoint } from '../../protocol/endpoints.ts';

const lookUpEveryMs = 60_000;
const hostPattern = /^([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?):([1-9][0-9]{0,4})$/;

export interface PeerAddresses {
  /** Replaces the peers; `onFound` comes soon. */
  set(peers: readonly string[]): void;
  close(): void;
}

/** Calls `onFound` with what was found, by the configured text; peers whose name is not found now are left out. */
export function openPeerAddresses(
  onFound: (addresses: ReadonlyMap<string, Endpoint>) => void,
): PeerAddresses {
  let peers: readonly string[] = [];
  let round = 0;

  const find = async () => {
    round += 1;
    const mine = round;
    const found = await Promise.all(
      peers.map(async (peer) => {
        const endpoint = await findAddress(peer);
        return endpoint === undefined ? [] : [[peer, endpoint] as const];
      }),
    );
    // A newer list is on its way, or nobody wants one any more.
    if (mine === round) onFound(new Map(found.flat()));
  };
  const timer = setInterval(() => {
    if (peers.length > 0) void find();
  }, lookUpEveryMs);

  return {
    set(wanted) {
      peers = wanted;
      void find();
    },
    close() {
      round += 1;
      clearInterval(timer);
    },
  };
}

async function findAddress(peer: string): Promise<Endpoint | undefined> {
  const endpoint = parseEndpoint(peer);
  if (endpoint.ok) return endpoint.value;
  const [, host, port] = hostPattern.exec(peer) ?? [];
  if (host === undefined || Number(port) > 65_535) return undefined;
  try {
    const { address } = await lookup(host);
    return { ip: address, port: Number(port) };
  } catch {
    return undefined;
  }
}
