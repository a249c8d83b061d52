/** A client's state for people and programs. */
import { moveAfterMs } from './core-budget.ts';
import type { ClientStatus } from './core-events.ts';
import type { ClientState } from './core-state.ts';
import { currentSession, targetSession } from './core-state.ts';

/** What status shows of it. */
export function clientStatus(state: ClientState): ClientStatus {
  const current = currentSession(state);
  const target = targetSession(state);
  const exposed = [...state.sessions.values()].map((s) => s.exposedTo - s.exposedFrom);
  return {
    name: state.config.name,
    stream: state.config.stream,
    term: state.term,
    phase: state.phase.name,
    ...(current?.server === undefined ? {} : { server: current.server }),
    ...(target === undefined ? {} : { target: target.server ?? target.candidate }),
    produced: state.produced,
    sent: current?.sent ?? state.ringStart,
    durable: current?.durable ?? state.ringStart,
    ringStart: state.ringStart,
    shareBytes: state.share,
    handovers: state.handovers,
    framesLost: state.framesLost,
    framesRepeated: state.framesRepeated,
    bytesLost: state.bytesLost,
    bytesExposed: exposed.reduce((sum, bytes) => sum + bytes, 0),
    moveAfterMs: moveAfterMs(state),
    ...(state.lastHandover === undefined ? {} : { lastHandover: state.lastHandover }),
  };
}

/** How much of the ring's share is not durable yet: 1 is all of it. For callers in a hurry. */
export function undurablePart(state: ClientState): number {
  return (state.produced - (currentSession(state)?.durable ?? state.ringStart)) / state.share;
}

/** True where nothing is in flight and nobody to wait for: there are no bytes, or every server that is known was asked. */
export function isUnserved({ phase, produced, ringStart }: ClientState): boolean {
  if (phase.name !== 'lost') return false;
  const { round, queue, dialing } = phase.search;
  return produced === ringStart || round > 0 || queue.length + dialing.length === 0;
}
