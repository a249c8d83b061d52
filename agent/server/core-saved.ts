/** What is remembered over a restart: the boot number, and the peers with what is held against them. */
import { isServerId } from '../../protocol/identifiers.ts';
import { parseEndpoint } from '../../protocol/endpoints.ts';
import type { SavedPeer, SavedServer } from './core-events.ts';
import type { HoldDown } from './core-holddown.ts';
import { createPeer, maxPeers } from './core-peers.ts';
import type { Peer, ServerState, Turn } from './core-state.ts';

const rememberedMs = 86_400_000;

/** Asks for saving where something changed that must be known after a restart. */
export function save({ state, effects }: Turn): void {
  const saved: SavedServer = {
    boot: state.announcing.boot,
    peers: [...state.peers.values()].filter(wasLinked).map((peer) => savePeer(state, peer)),
  };
  const text = JSON.stringify(saved);
  if (text === state.saved) return;
  state.saved = text;
  effects.push({ kind: 'save', saved });
}

/** The peers of before: called again at once. Whoever was gone for a day is nobody we know. */
export function restorePeers(turn: Turn, saved: SavedServer): void {
  const { state, nowMs, effects } = turn;
  for (const peer of saved.peers.slice(0, maxPeers)) {
    const hold = restoreHold(state, peer);
    const lastSeenMs = Math.max(hold.lostAtMs ?? -Infinity, hold.returnedAtMs ?? -Infinity);
    if (peer.id === state.id || (hold.returnedAtMs === undefined && nowMs - lastSeenMs > rememberedMs))
      continue;
    state.peers.set(peer.id, { ...createPeer(peer.id, peer.name, peer.endpoints), hold });
    effects.push({ kind: 'call', id: peer.id, endpoints: peer.endpoints, isNewBoot: false });
  }
}

/** Reads what `save` gave out of a file that anybody may have changed; undefined where it is not ours. */
export function parseSavedServer(value: unknown): SavedServer | undefined {
  if (!isRecord(value) || !isTime(value['boot']) || !Array.isArray(value['peers'])) return undefined;
  return { boot: value['boot'], peers: value['peers'].flatMap(parseSavedPeer) };
}

function parseSavedPeer(value: unknown): SavedPeer[] {
  if (!isRecord(value)) return [];
  const { id, name, holdMs, lostAt, returnedAt, endpoints } = value;
  if (typeof id !== 'string' || !isServerId(id) || typeof name !== 'string') return [];
  if (!isTime(holdMs) || !isTime(lostAt) || !isTime(returnedAt) || !Array.isArray(endpoints)) return [];
  const places = endpoints.flatMap((endpoint: unknown) => {
    if (!isRecord(endpoint)) return [];
    const ip = String(endpoint['ip']);
    const parsed = parseEndpoint(`${ip.includes(':') ? `[${ip}]` : ip}:${String(endpoint['port'])}`);
    return parsed.ok ? parsed.value : [];
  });
  return [{ id, name, holdMs, lostAt, returnedAt, endpoints: places }];
}

function wasLinked({ hold }: Peer): boolean {
  return hold.lostAtMs !== undefined || hold.returnedAtMs !== undefined;
}

function savePeer(state: ServerState, { id, name, endpoints, address, hold }: Peer): SavedPeer {
  return {
    id,
    name,
    // Where it was reached comes first; a peer that was only configured has announced the rest.
    endpoints:
      address === undefined ? endpoints : [address, ...endpoints.filter(({ ip }) => ip !== address.ip)],
    holdMs: hold.lengthMs,
    lostAt: toUnix(state, hold.lostAtMs),
    returnedAt: toUnix(state, hold.returnedAtMs),
  };
}

function restoreHold(state: ServerState, { holdMs, lostAt, returnedAt }: SavedPeer): HoldDown {
  const healthyMs = returnedAt === 0 ? 0 : state.nowMs - fromUnix(state, returnedAt);
  const isForgotten = healthyMs > Math.max(600_000, 2 * holdMs);
  return {
    lengthMs: isForgotten ? 0 : holdMs,
    untilMs: 0,
    lostAtMs: lostAt === 0 ? undefined : fromUnix(state, lostAt),
    returnedAtMs: returnedAt === 0 ? undefined : fromUnix(state, returnedAt),
  };
}

function toUnix({ unixOffsetMs }: ServerState, atMs: number | undefined): number {
  return atMs === undefined ? 0 : Math.max(1, Math.round(atMs + unixOffsetMs));
}

/** A clock that went back must not make a past that lies ahead. */
function fromUnix({ unixOffsetMs, nowMs }: ServerState, unixMs: number): number {
  return Math.min(nowMs, unixMs - unixOffsetMs);
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
