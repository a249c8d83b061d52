/** One stream with the operator while it lasts: hello, signs of life, reports when they change, and what comes down. */
import type { TLSSocket } from 'node:tls';
import {
  maxOperatorLineBytes,
  messageVersions,
  operatorMessage,
  pingEveryMs,
  type AgentMessage,
  type OperatorMessage,
  type Report,
} from '../../crds/operator-messages.ts';
import { LineReader } from '../../protocol/lines.ts';

/** The operator said no; what it said is to be heeded. */
export class OperatorRefusal extends Error {
  override readonly name = 'OperatorRefusal';
  readonly reason: string;
  readonly retryAfterMs: number;
  constructor(reason: string, message: string, retryAfterMs = 0) {
    super(message);
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface OperatorSessionOptions {
  readonly socket: TLSSocket;
  readonly version: string;
  readonly report: () => Promise<Report>;
  /** The operator said hello. */
  readonly onHello: (version: string) => void;
  /** The next message waits until it resolves. */
  readonly onMessage: (message: OperatorMessage, send: (message: AgentMessage) => void) => Promise<void>;
}

const reportEveryMs = 1000;
const silentMs = pingEveryMs * 3;

/**
 * Serves the stream until it ends.
 *
 * @throws OperatorRefusal where the operator closes it with a reason
 */
export async function serveOperator(options: OperatorSessionOptions): Promise<void> {
  const { socket, version } = options;
  const send = (message: AgentMessage): void => {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
  };
  send({ kind: 'hello', versions: [...messageVersions], version });
  let hasHello = false;
  let heardMs = performance.now();
  const reporting = keepReporting(options, () => hasHello);
  const beating = setInterval(() => {
    if (performance.now() - heardMs > silentMs) socket.destroy(new Error('the operator is silent'));
    else send({ kind: 'ping' });
  }, pingEveryMs);
  try {
    for await (const message of messagesFrom(socket)) {
      heardMs = performance.now();
      if (message.kind === 'hello') {
        requireVersion(message.versions);
        hasHello = true;
        options.onHello(message.version);
      } else if (message.kind === 'refused' && message.name === undefined) {
        throw new OperatorRefusal(message.reason, message.message, message.retryAfterMs);
      } else if (message.kind !== 'ping') await options.onMessage(message, send);
      heardMs = performance.now();
    }
  } finally {
    clearInterval(reporting);
    clearInterval(beating);
    socket.destroy();
  }
}

/** At most once a second, and only what is new; while the operator reads nothing, nothing. */
function keepReporting({ socket, report }: OperatorSessionOptions, mayReport: () => boolean): NodeJS.Timeout {
  let last = '';
  let isBusy = false;
  const tell = async (): Promise<void> => {
    if (isBusy || !mayReport() || socket.writableNeedDrain) return;
    isBusy = true;
    try {
      const text = JSON.stringify(await report());
      if (text === last || !socket.writable) return;
      last = text;
      socket.write(`${text}\n`);
    } catch (error) {
      // A disk that cannot be read: the next session tries again.
      socket.destroy(error instanceof Error ? error : new Error('no report can be made'));
    } finally {
      isBusy = false;
    }
  };
  return setInterval(() => void tell(), reportEveryMs);
}

function requireVersion(theirs: readonly number[]): void {
  if (messageVersions.some((version) => theirs.includes(version))) return;
  const [ours, other] = [messageVersions.join(', '), theirs.join(', ')];
  throw new OperatorRefusal(
    'VersionUnknown',
    `this agent speaks version ${ours} of the messages and the operator ${other}: update the older of them`,
  );
}

/** Messages that this version knows, in order. */
async function* messagesFrom(socket: TLSSocket): AsyncGenerator<OperatorMessage> {
  const reader = new LineReader(maxOperatorLineBytes);
  for await (const chunk of socket) {
    reader.push(chunk);
    for (let line = reader.next(); line !== undefined; line = reader.next()) {
      if (!line.ok) throw new Error(line.detail);
      const text = Buffer.from(line.value, 'latin1').toString('utf8');
      const message = operatorMessage.safeParse(JSON.parse(text)).data;
      if (message !== undefined) yield message;
    }
  }
}
