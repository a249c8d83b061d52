/** One enrolment: a line in, a line out, within a few seconds; nothing else lies behind this door. */
import type { TLSSocket } from 'node:tls';
import {
  maxEnrolmentBytes,
  messageVersions,
  type Enrol,
  type EnrolmentReply,
} from '../../crds/operator-messages.ts';
import { LineReader } from '../../protocol/lines.ts';
import { type Result, bad } from '../../protocol/result.ts';
import { chooseVersion, describeVersions, readEnrolment, type LineDropReason } from './lines.ts';

export type EnrolmentDropReason = LineDropReason | 'line-too-long' | 'enrolment-late' | 'enrolment-failed';

export interface EnrolmentCallOptions {
  /** False: it must come back later. */
  readonly mayAsk: boolean;
  readonly answer: (request: Enrol) => Promise<EnrolmentReply>;
  readonly onDropped: (reason: EnrolmentDropReason, detail: string) => void;
}

const lineWithinMs = 5000;
/** The API server is asked twice meanwhile. */
const answerWithinMs = 25_000;
const comeBackAfterMs = 15_000;

/** Serves it; the socket is closed when this resolves, or soon after. */
export async function serveEnrolment(socket: TLSSocket, options: EnrolmentCallOptions): Promise<void> {
  const timer = setTimeout(() => socket.destroy(), answerWithinMs);
  socket.once('close', () => clearTimeout(timer));
  const request = await readRequest(socket);
  if (!request.ok) {
    options.onDropped(request.reason, request.detail);
    socket.destroy();
    return;
  }
  try {
    const reply = await decide(request.value, options);
    socket.end(`${JSON.stringify(reply)}\n`);
  } catch (error) {
    options.onDropped('enrolment-failed', error instanceof Error ? error.message : String(error));
    socket.end(`${JSON.stringify(failed)}\n`);
  }
}

async function decide(request: Enrol, { mayAsk, answer }: EnrolmentCallOptions): Promise<EnrolmentReply> {
  if (chooseVersion(request.versions) === undefined) {
    return { kind: 'refused', reason: 'VersionUnknown', message: describeVersions(request.versions) };
  }
  return mayAsk ? answer(request) : tooMany;
}

const tooMany: EnrolmentReply = {
  kind: 'refused',
  reason: 'TooMany',
  message: 'too many enrolments from this address: come back later',
  retryAfterMs: comeBackAfterMs,
};

/** What went wrong is for the operator's log: it may say more than a stranger should know. */
const failed: EnrolmentReply = {
  kind: 'refused',
  reason: 'Unavailable',
  message: `the operator cannot judge enrolments now (version ${messageVersions.join(', ')}): come back later`,
  retryAfterMs: 5000,
};

async function readRequest(socket: TLSSocket): Promise<Result<Enrol, EnrolmentDropReason>> {
  const { promise, resolve } = Promise.withResolvers<Result<Enrol, EnrolmentDropReason>>();
  const reader = new LineReader(maxEnrolmentBytes);
  const late = (detail: string) => resolve(bad('enrolment-late', `reading an enrolment: ${detail}`));
  const timer = setTimeout(() => late(`no line in ${lineWithinMs} ms`), lineWithinMs);
  const onClose = () => late('it was closed before a whole line came');
  const onData = (chunk: Buffer) => {
    reader.push(chunk);
    const line = reader.next();
    if (line !== undefined) resolve(line.ok ? readEnrolment(line.value) : line);
  };
  socket.on('data', onData).once('close', onClose).once('end', onClose);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    // Further lines are nobody's.
    socket.off('data', onData).off('close', onClose).off('end', onClose).resume();
  }
}
