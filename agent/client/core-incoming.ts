/** What comes from sessions: lines, welcomes, failures and farewells. */
import type { ByeReason, RefusedReason } from '../../protocol/documents.ts';
import type { ClientEvent, CloseHow } from './core-events.ts';
import { failDial, takeRedirect } from './core-move.ts';
import { report } from './core-report.ts';
import { stop } from './core-rules.ts';
import { loseCurrent, winSearch } from './core-search.ts';
import { takePeers } from './core-servers.ts';
import { closeSession, noteAck, noteSent, noteWelcome } from './core-sessions.ts';
import type { Session, Turn } from './core-state.ts';
import { currentSession, targetSession } from './core-state.ts';
import { takeWelcome } from './core-steps.ts';

type SessionEvent = Extract<ClientEvent, { session: number }>;

type LineEvent = Extract<SessionEvent, { kind: 'acked' | 'redirect' | 'peers' | 'alive' }>;

/** What comes from sessions; one that was closed says nothing any more. */
export function takeSessionEvent(turn: Turn, event: SessionEvent): void {
  const session = turn.state.sessions.get(event.session);
  if (session === undefined) return;
  if (event.kind === 'sent') noteSent(turn.state, session, event.upTo);
  else takeAnswer(turn, session, event);
}

function takeAnswer(turn: Turn, session: Session, event: Exclude<SessionEvent, { kind: 'sent' }>): void {
  switch (event.kind) {
    case 'welcomed':
      welcome(turn, session, event);
      return;
    case 'dialFailed':
      failDial(turn, session, event.reason, event.detail);
      return;
    case 'closed':
      takeClosed(turn, session, event.how, event.detail);
      return;
    case 'bye':
      takeBye(turn, session, event);
      return;
    case 'acked':
    case 'redirect':
    case 'peers':
    case 'alive':
      takeLine(turn, session, event);
  }
}

function takeLine(turn: Turn, session: Session, event: LineEvent): void {
  session.lastLineRanMs = turn.state.ranMs;
  const isCurrent = session === currentSession(turn.state);
  switch (event.kind) {
    case 'acked':
      noteAck(session, event);
      report(turn, session);
      return;
    case 'redirect':
      if (isCurrent) takeRedirect(turn, session, event.redirect);
      return;
    case 'peers':
      if (isCurrent || session === targetSession(turn.state)) takePeers(turn, event.servers);
      return;
    case 'alive':
  }
}

function welcome(turn: Turn, session: Session, event: Extract<ClientEvent, { kind: 'welcomed' }>): void {
  const { phase } = turn.state;
  if (session.stage !== 'dialing') return;
  session.lastLineRanMs = turn.state.ranMs;
  noteWelcome(session, { id: event.id, name: event.name });
  if (phase.name === 'lost') winSearch(turn, phase.search, session);
  else if (phase.name === 'dial' && phase.target === session.id) takeWelcome(turn.state, phase);
  else closeSession(turn, session, 'abandoned');
}

const closedReasons = { fin: 'lost', reset: 'lost', untrusted: 'untrusted', error: 'error' } as const;

function takeClosed(turn: Turn, session: Session, how: CloseHow, detail: string): void {
  if (session === currentSession(turn.state)) {
    loseCurrent(turn, session, { why: how, isAnnounced: false });
    return;
  }
  const isOpen = session.stage !== 'dialing';
  if (isOpen && session !== targetSession(turn.state)) closeSession(turn, session, 'abandoned');
  else failDial(turn, session, isOpen ? closedReasons[how] : dialReasons[how], detail);
}

const dialReasons = { fin: 'error', reset: 'error', untrusted: 'untrusted', error: 'error' } as const;

const byeReasons: Readonly<Record<ByeReason, RefusedReason>> = {
  full: 'full',
  draining: 'draining',
  stopped: 'draining',
  untrusted: 'untrusted',
  replaced: 'error',
  suspended: 'error',
  error: 'error',
};

/** A session that had ended, and that the same server took for one given up: our own next one is there. */
function isByOurselves({ state }: Turn, session: Session, term: number | undefined): boolean {
  return term === state.term && session.stage === 'ended' && session !== currentSession(state);
}

function takeBye(turn: Turn, session: Session, bye: Extract<ClientEvent, { kind: 'bye' }>): void {
  if (bye.reason === 'replaced' && !isByOurselves(turn, session, bye.term)) {
    stop(turn, { kind: 'stop', reason: 'replaced', ...(bye.term === undefined ? {} : { term: bye.term }) });
    return;
  }
  if (session === currentSession(turn.state)) {
    const isAnnounced = bye.reason !== 'error' && bye.reason !== 'untrusted';
    loseCurrent(turn, session, { why: `bye ${bye.reason}`, isAnnounced });
    return;
  }
  const isNext = session.stage === 'dialing' || session === targetSession(turn.state);
  if (isNext) failDial(turn, session, byeReasons[bye.reason], `it said bye ${bye.reason}`);
  else closeSession(turn, session, 'abandoned');
}
