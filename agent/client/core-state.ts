/** All that a client's core knows. Plain data: it can be copied, compared and explored. */
import type { ServerId } from '../../protocol/identifiers.ts';
import type { BeginWhy, ServerReference } from '../../protocol/documents.ts';
import type { CutMark } from '../../protocol/media/scanner.ts';
import type {
  Candidate,
  ClientConfig,
  ClientEffect,
  HandoverReport,
  PhaseName,
  SessionId,
} from './core-events.ts';
import type { IdrRhythm } from './core-idr.ts';
import type { OffsetList } from './offsets.ts';

/** Times and bounds of the handover. Our choices; the rules that they belong to were model-checked. */
export const limits = {
  /** Redirect to welcome, in all. */
  redirectDialMs: 5000,
  /** One dial while no server takes our bytes; later rounds wait longer, up to `redirectDialMs`. */
  searchDialMs: 1000,
  searchStaggerMs: 300,
  maxRoundPauseMs: 5000,
  /** From the cut to the end of the old part, whatever PES packets do. */
  tailMs: 1000,
  /** Behind `cutWait`, when not even a PES packet begins. */
  cutWaitGraceMs: 1000,
  /** From the cut until the new server begins, durable or not. */
  durableWaitMs: 10_000,
  /** An ended session waits so long for its last bytes to be durable. */
  waitingMs: 10_000,
  /** Without any line, bytes outstanding or not. */
  silenceMs: 3000,
  /** Durable lag that is told, and that is a reason to move. */
  lagWarningMs: 2000,
  lagMoveMs: 10_000,
  /** Part of the share at which a lagging server is left. */
  lagShare: 0.75,
  /** Between two moves of our own for lag. */
  lagMovePauseMs: 30_000,
  maxKnownServers: 64,
  maxBreaks: 1024,
  maxPesNotes: 64,
  /** Cuts nearer to each other than this are one, where a ring holds many (lines, bytes). */
  minCutSpacing: 4096,
} as const;

export interface Session {
  readonly id: SessionId;
  readonly candidate: Candidate;
  server: { readonly id: ServerId; readonly name: string } | undefined;
  stage: 'dialing' | 'welcomed' | 'begun' | 'ended';
  /** Own-loop time at which it is given up: a dial, or an ended session that waits. */
  giveUpRanMs: number;
  /** Where its last `begin` was. */
  beganAt: number;
  /** When it got its first byte to send. */
  begunRanMs: number;
  sent: number;
  /** What the shell may send up to. */
  limit: number;
  received: number;
  durable: number;
  lastLineRanMs: number;
  /** When bytes were sent: `offset` is the first, `value` own-loop time. */
  readonly sends: OffsetList;
  /** Bytes that the ring gave up and this server has not made durable; empty where both are equal. */
  exposedFrom: number;
  exposedTo: number;
}

/** A handover under way, before the new server has its first byte. */
export interface Move {
  readonly target: Candidate;
  readonly why: string;
  readonly sinceMs: number;
  /** Counter at its start. */
  readonly framesLostBefore: number;
}

interface Moving {
  readonly current: SessionId;
  readonly target: SessionId;
  readonly move: Move;
}

/** Where a client is in its handovers. @see the six steps in docs/protocol.md */
export type Phase =
  | { readonly name: 'lost'; readonly search: Search }
  | { readonly name: 'stream'; readonly current: SessionId }
  /** `ReleaseFirst`: the old server is left before the new one is dialed. */
  | {
      readonly name: 'releasing';
      readonly current: SessionId;
      readonly move: Move;
      readonly untilRanMs: number;
    }
  | ({ readonly name: 'dial' } & Moving)
  /** `from`: a cut at or behind this will do. */
  | ({ readonly name: 'waitCut'; readonly from: number; readonly untilRanMs: number } & Moving)
  | ({
      readonly name: 'tail';
      readonly cut: number;
      readonly untilRanMs: number;
      readonly forceRanMs: number;
    } & Moving)
  | ({ readonly name: 'waitDurable'; readonly cut: number; readonly forceRanMs: number } & Moving)
  | { readonly name: 'stopped' };

export type PhaseNamed<Name extends PhaseName> = Extract<Phase, { name: Name }>;
export type PhaseWithTarget = Extract<Phase, { target: SessionId }>;

/** Looking for a server that takes our bytes. */
export interface Search {
  queue: Candidate[];
  dialing: SessionId[];
  nextRanMs: number;
  round: number;
  readonly sinceMs: number;
  readonly framesLostBefore: number;
  /** Whom we streamed to, and until where. */
  readonly left: { readonly id: ServerId; readonly name: string; readonly sent: number } | undefined;
  readonly why: string;
  /** Whom a `ReleaseFirst` client left the old server for. */
  readonly wanted: ServerId | undefined;
}

/** Told at the new server's first ack. */
export interface PendingReport {
  readonly session: SessionId;
  readonly from: string | undefined;
  readonly reason: string;
  readonly sinceMs: number;
  readonly begin: number;
  readonly framesLostBefore: number;
  /** Up to where the old server was sent bytes: from `begin` to there both have them. */
  readonly oldSent: number;
}

export interface Hold {
  readonly lengthMs: number;
  readonly untilMs: number;
}

export interface ClientState {
  readonly config: ClientConfig;
  readonly term: number;
  /** 0 to 1: spreads the pauses of many clients. */
  readonly jitter: number;
  /** The longest time between two steps that counts as our own loop's running. */
  readonly loopGapMs: number;
  nowMs: number;
  /** Time in which our own loop ran: all time limits but budget and hold-down are of it. */
  ranMs: number;
  wakeMs: number;
  phase: Phase;
  readonly sessions: Map<SessionId, Session>;
  nextSession: SessionId;

  produced: number;
  ringStart: number;
  /** What was before `ringStart` was given up, and no cut is there. */
  isGapAtStart: boolean;
  /** Durable at servers that were left: they have every byte before it that was not counted as lost. */
  safeTo: number;
  share: number;
  readonly cuts: OffsetList;
  /** `value`: frames that begin there and before the next point. */
  readonly frames: OffsetList;
  /** `value`: when the byte came. */
  readonly times: OffsetList;
  lastCut: CutMark | undefined;
  idr: IdrRhythm | undefined;
  lastVideoPes: number;
  pes: { readonly offset: number; readonly pid: number }[];
  pids: readonly number[];
  breaks: { readonly offset: number; readonly why: BeginWhy }[];
  isSourceEnded: boolean;

  peers: readonly ServerReference[];
  older: readonly ServerReference[];
  /** Streamed to in this term, the last one last. */
  streamed: readonly Candidate[];
  readonly configured: readonly Candidate[];
  heard: readonly Candidate[];

  /** When it moved for rank. */
  rankMoves: readonly number[];
  readonly holds: Map<ServerId, Hold>;
  /** Whom a `ReleaseFirst` client left a server for in vain: dialed before it leaves again, until reached once. */
  unreached: readonly ServerId[];
  lagMoveAfterRanMs: number;
  isLagTold: boolean;
  isOverTold: boolean;

  pending: PendingReport | undefined;
  hasBegun: boolean;
  handovers: number;
  framesLost: number;
  framesRepeated: number;
  bytesLost: number;
  lastHandover: HandoverReport | undefined;
}

/** One step under way. */
export interface Turn {
  readonly state: ClientState;
  readonly effects: ClientEffect[];
}

export interface ClientStart {
  readonly config: ClientConfig;
  /** `nextTerm` of the last one. */
  readonly term: number;
  /** Configured or remembered, best first. */
  readonly servers: readonly Candidate[];
  readonly shareBytes: number;
  /** 0 to 1, by chance. */
  readonly jitter: number;
  /** 250 by default; a simulation that never stalls says more and is woken less. */
  readonly loopGapMs?: number;
}

/** The session that our bytes go to, or went to until its end. */
export function currentSession(state: ClientState): Session | undefined {
  return 'current' in state.phase ? state.sessions.get(state.phase.current) : undefined;
}

/** The session of a handover's next server. */
export function targetSession(state: ClientState): Session | undefined {
  return 'target' in state.phase ? state.sessions.get(state.phase.target) : undefined;
}

/** Where nothing may be freed: the cut of a handover under way. */
export function pinnedCut(state: ClientState): number {
  return 'cut' in state.phase ? state.phase.cut : Infinity;
}
