/** What a handover cost, told when it is over. */
import { countFrames } from './core-bytes.ts';
import { serverLabel } from './core-sessions.ts';
import type { Session, Turn } from './core-state.ts';

/** A handover is over with the first ack of bytes at the new server. */
export function report(turn: Turn, session: Session): void {
  const { state } = turn;
  const { pending } = state;
  if (pending === undefined || pending.session !== session.id) return;
  if (session.received <= pending.begin && state.produced > pending.begin) return;
  state.pending = undefined;
  if (pending.from === undefined) return;
  const { begin, oldSent } = pending;
  const handover = {
    from: pending.from,
    to: serverLabel(session),
    reason: pending.reason,
    milliseconds: Math.round(state.nowMs - pending.sinceMs),
    framesLost: state.framesLost - pending.framesLostBefore,
    framesRepeated: countFrames(state, begin, Math.max(begin, oldSent)),
  };
  state.handovers += 1;
  state.framesRepeated += handover.framesRepeated;
  state.lastHandover = handover;
  turn.effects.push({
    kind: 'tell',
    event: { event: 'handedOver', client: state.config.name, ...handover },
  });
}
