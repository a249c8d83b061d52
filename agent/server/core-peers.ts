/** Other servers: heard, confirmed by our own call, lost. */
import { isLater } from '../../protocol/announcement-order.ts';
import type { Subscribe } from '../../protocol/documents.ts';
import { type Endpoint, formatEndpoint } from '../../protocol/endpoints.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import type { ServerEvent } from './core-events.ts';
import { lost, noHoldDown, returned } from './core-holddown.ts';
import { endFullRefusal } from './core-refusals.ts';
import type { Peer, Turn } from './core-state.ts';

type Heard = Extract<ServerEvent, { kind: 'heard' }>;
type Linked = Extract<ServerEvent, { kind: 'linked' }>;
type CalledBy = Extract<ServerEvent, { kind: 'calledBy' }>;
type Unlinked = Extract<ServerEvent, { kind: 'unlinked' }>;

/** More than these are not known; a home has a handful. */
export const maxPeers = 50;
const conflictIntervalMs = 10_000;

/** A verified announcement. By multicast it only introduces; what it says counts once the peer is confirmed. */
export function takeHeard(turn: Turn, heard: Heard): void {
  const { state, nowMs, effects } = turn;
  const { id } = heard.subscribe.from;
  if (id === state.id) {
    effects.push({ kind: 'dropped', reason: 'own-id', from: heard.name });
    tellConflict(turn, `${heard.name} announces our identifier with another key`);
    return;
  }
  const known = state.peers.get(id) ?? admit(turn, id);
  if (known === undefined) {
    effects.push({ kind: 'dropped', reason: 'too-many-peers', from: heard.name });
    return;
  }
  if (heard.via === 'multicast' && known.isLinked) return;
  if (isOfOtherRun(heard, known)) {
    effects.push({ kind: 'call', id, endpoints: known.endpoints, isNewBoot: true });
    return;
  }
  if (!isNews(heard, known)) {
    // The same announcement comes on both links and by multicast: no drop worth counting.
    if (heard.via === 'multicast') effects.push({ kind: 'dropped', reason: 'stale', from: heard.name });
    return;
  }
  known.heardAtMs = nowMs;
  learn(turn, known, heard);
}

/** Our own call reached the announced server: from now on the link speaks for it, and clients may go there. */
export function takeLinked(turn: Turn, { id, name, address }: Linked): void {
  const { state, nowMs, effects } = turn;
  const peer = state.peers.get(id);
  if (peer === undefined || peer.isLinked) return;
  peer.isLinked = true;
  peer.name = name;
  peer.address = address;
  peer.hold = returned(peer.hold, nowMs);
  state.isDirty = true;
  effects.push({
    kind: 'tell',
    event: { event: 'linked', server: name, id, address: formatEndpoint(address) },
  });
  tellLeafs(turn);
}

/** That call is lost; unless the peer said that it goes, it must stay for a while when it comes back. */
export function takeUnlinked(turn: Turn, { id, reason }: Unlinked): void {
  const { state, nowMs, effects } = turn;
  const peer = state.peers.get(id);
  if (peer === undefined || !peer.isLinked) return;
  const wasDraining = peer.facts?.max === 0 || reason === 'untrusted';
  peer.isLinked = false;
  peer.hold = lost(peer.hold, nowMs, wasDraining);
  peer.turnAtMs = 0;
  state.isDirty = true;
  effects.push({ kind: 'tell', event: { event: 'unlinked', server: peer.name, id, reason } });
  tellLeafs(turn);
}

/** The peer's own call to us: it hears us; for status only. */
export function takeCalledBy({ state }: Turn, { id, isOpen }: CalledBy): void {
  const peer = state.peers.get(id);
  if (peer !== undefined) peer.hearsUs = isOpen;
}

/** Somebody else uses our key or our identifier: people must act, nobody is moved. */
export function tellConflict(turn: Turn, message: string): void {
  const { state, nowMs, effects } = turn;
  if (nowMs < state.conflictToldAtMs + conflictIntervalMs) return;
  state.conflictToldAtMs = nowMs;
  effects.push({ kind: 'tell', event: { event: 'warning', reason: 'IdentityConflict', message } });
}

/** A peer that is known and not linked, as it is remembered over a restart or was just heard. */
export function createPeer(id: ServerId, name: string, endpoints: readonly Endpoint[]): Peer {
  return {
    id,
    name,
    endpoints,
    spkiSha256: '',
    address: undefined,
    facts: undefined,
    order: undefined,
    isLinked: false,
    hearsUs: false,
    hold: noHoldDown,
    turnAtMs: 0,
    heardAtMs: 0,
  };
}

/** Room for one more: whoever was not heard for longest and is not linked goes. */
function admit({ state, effects }: Turn, id: ServerId): Peer | undefined {
  if (state.peers.size >= maxPeers) {
    const [oldest] = [...state.peers.values()]
      .filter(({ isLinked }) => !isLinked)
      .toSorted((a, b) => a.heardAtMs - b.heardAtMs);
    if (oldest === undefined) return undefined;
    state.peers.delete(oldest.id);
    effects.push({ kind: 'forget', id: oldest.id });
  }
  const peer = createPeer(id, id, []);
  state.peers.set(id, peer);
  return peer;
}

/**
 * Who has called us has another boot than whom our own call has reached: the peer has started anew and our call is dead without
 * our knowing yet, or a second machine has its key. Either way it does not speak for the one to which clients would be sent: two
 * machines with one state folder sent clients to and fro (found in simulation).
 */
function isOfOtherRun({ subscribe: { order } }: Heard, { isLinked, order: known }: Peer): boolean {
  return isLinked && order !== undefined && known !== undefined && order.boot !== known.boot;
}

/**
 * On a link that is not confirmed yet a lower boot counts too: TLS shows that the peer itself says so, and a machine without a
 * clock that lost its state would else be taken for a replay of itself until its clock is right.
 */
function isNews({ subscribe, via }: Heard, peer: Peer): boolean {
  if (isLater(subscribe.order, peer.order)) return true;
  return via === 'link' && !peer.isLinked && subscribe.order?.boot !== peer.order?.boot;
}

function learn(turn: Turn, peer: Peer, { subscribe, name, spkiSha256, via }: Heard): void {
  const { state, effects } = turn;
  const { features, connected, max, order } = subscribe;
  const isNewBoot = isLaterBoot(order, peer.order);
  const endpoints = [subscribe.from.address, ...subscribe.also];
  const isMoved = JSON.stringify(endpoints) !== JSON.stringify(peer.endpoints);
  const isChanged = JSON.stringify({ features, connected, max }) !== JSON.stringify(peer.facts);
  Object.assign(peer, { name, spkiSha256, endpoints, facts: { features, connected, max }, order });
  const isRoomAgain = connected < max && endFullRefusal(state, peer.id);
  if (isMoved || isNewBoot) effects.push({ kind: 'call', id: peer.id, endpoints, isNewBoot });
  if (isMoved || isChanged) tellHeard(turn, subscribe, { name, via });
  // The same again, every few seconds of every peer, is no reason to look at all clients.
  if ([isMoved, isChanged, isNewBoot, isRoomAgain].includes(true)) state.isDirty = true;
}

function isLaterBoot(order: Subscribe['order'], known: Subscribe['order']): boolean {
  return order !== undefined && known !== undefined && order.boot > known.boot;
}

function tellHeard(
  { effects }: Turn,
  subscribe: Subscribe,
  { name, via }: Pick<Heard, 'name' | 'via'>,
): void {
  const { features, connected, max, from, also } = subscribe;
  effects.push({
    kind: 'tell',
    event: {
      event: 'heard',
      server: name,
      id: from.id,
      address: formatEndpoint(from.address),
      features,
      connected,
      max,
      ...(also.length > 0 ? { also: also.map(formatEndpoint) } : {}),
      via,
    },
  });
}

function tellLeafs({ state, effects }: Turn): void {
  const linked = [...state.peers.values()].filter(
    ({ isLinked, spkiSha256 }) => isLinked && spkiSha256 !== '',
  );
  effects.push({ kind: 'linkedLeafs', spkiSha256: linked.map(({ spkiSha256 }) => spkiSha256) });
}
