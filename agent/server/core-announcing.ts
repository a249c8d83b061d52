/** When we announce ourselves: three times at start, every interval, and at once when what we say changes. */
import type { AnnouncedFacts } from './core-events.ts';
import { type ServerState, type Turn, isDraining, liveFeatures } from './core-state.ts';

/** The start's announcements: one lost datagram must not cost an interval. */
const startRepeatsMs: readonly number[] = [250, 1000];
/** The last words: closer together, as the process waits for them. */
const shutdownRepeatsMs: readonly number[] = [100, 250];
const leastBetweenChangesMs = 500;
const intervalSpread = 0.4;

/** From the start on. */
export function startAnnouncing({ state, nowMs }: Turn): void {
  state.announcing.repeatsAtMs = startRepeatsMs.map((afterMs) => nowMs + afterMs);
}

/** `max="0"` three times: at once, as a change, and twice more. */
export function announceShutdown({ state, nowMs }: Turn): void {
  state.announcing.repeatsAtMs = shutdownRepeatsMs.map((afterMs) => nowMs + afterMs);
  state.announcing.changedAtMs = -Infinity;
}

/** Announces what is due now. */
export function announce(turn: Turn): void {
  const { state, nowMs } = turn;
  const { announcing } = state;
  const content = describeContent(state);
  const isChanged = content !== announcing.lastContent;
  if (isChanged && nowMs >= announcing.changedAtMs + leastBetweenChangesMs) {
    announcing.changedAtMs = nowMs;
    send(turn, content, true);
  } else if (nowMs >= nextRepeatMs(state)) send(turn, content, isChanged);
}

/** When `announce` has something to do if nothing else happens. */
export function announceAtMs(state: ServerState): number {
  const { announcing } = state;
  const isChanged = describeContent(state) !== announcing.lastContent;
  const changeMs = isChanged ? announcing.changedAtMs + leastBetweenChangesMs : Infinity;
  return Math.min(changeMs, nextRepeatMs(state));
}

/** Our addresses changed: what we said is not true any more. */
export function announceAgain({ state }: Turn): void {
  state.announcing.lastContent = '';
}

function nextRepeatMs({ announcing }: ServerState): number {
  return Math.min(announcing.nextAtMs, ...announcing.repeatsAtMs);
}

function send(turn: Turn, content: string, onLinks: boolean): void {
  const { state, nowMs, effects } = turn;
  const { announcing, config } = state;
  announcing.seq += 1;
  announcing.repeatsAtMs = announcing.repeatsAtMs.filter((atMs) => atMs > nowMs);
  announcing.nextAtMs =
    nowMs + config.intervalMs * (1 - intervalSpread / 2 + intervalSpread * state.random());
  const { features, connected, max } = contentOf(state);
  const facts: AnnouncedFacts = {
    features,
    connected,
    max,
    order: { boot: announcing.boot, seq: announcing.seq },
  };
  const isNew = content !== announcing.lastContent;
  announcing.last = facts;
  announcing.lastContent = content;
  effects.push({ kind: 'announce', facts, onLinks });
  if (isNew) {
    effects.push({
      kind: 'tell',
      event: { event: 'announced', server: state.name, features, connected, max },
    });
  }
}

function contentOf(state: ServerState): Omit<AnnouncedFacts, 'order'> {
  return {
    features: liveFeatures(state),
    connected: state.clients.size,
    max: isDraining(state) ? 0 : state.config.max,
  };
}

function describeContent(state: ServerState): string {
  return JSON.stringify(contentOf(state));
}
