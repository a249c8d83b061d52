/** One agent's stream: its lines are judged and bounded, ours wait for a reader that is slow without holding up anybody. */
import type { TLSSocket } from 'node:tls';
import {
  maxAgentLineBytes,
  messageVersions,
  pingEveryMs,
  type AgentMessage,
  type OperatorMessage,
} from '../../crds/operator-messages.ts';
import { LineReader } from '../../protocol/lines.ts';
import type { Leaf } from '../../protocol/trust.ts';
import { chooseVersion, describeVersions, readAgentLine, type LineDropReason } from './lines.ts';
import { Outbox } from './outbox.ts';
import { judgeReport } from './reports.ts';

/** An agent or native client that is connected. */
export interface AgentSession {
  readonly leaf: Leaf;
  /** Of its program. */
  readonly version: string;
  /** Never waits: of snapshots that cannot be sent at once, the newest is. */
  send(message: OperatorMessage): void;
  close(reason: string): void;
}

/** What of a session's lines was not taken. */
export type SessionDropReason = LineDropReason | 'line-too-long' | 'report-foreign';

export interface SessionOptions {
  readonly socket: TLSSocket;
  readonly leaf: Leaf;
  /** Of our program. */
  readonly version: string;
  readonly isAssigned: (holder: string, camera: string) => boolean;
  /** Its hello came. */
  readonly onReady: (session: AgentSession) => void;
  readonly onMessage: (session: AgentSession, message: AgentMessage) => void;
  readonly onDropped: (reason: SessionDropReason, detail: string) => void;
  /** Only after `onReady`. */
  readonly onClose: (session: AgentSession, reason: string) => void;
}

const helloWithinMs = 5000;
/** It pings, but reads nothing of ours. */
const slowReaderMs = 60_000;
/** What an agent may say in a second: lines, or bytes in units. More waits. Our choice: certificates for 100 cameras at once. */
const maxCostPerSecond = 128;
const bytesPerCost = 16 * 1024;

/** Opens with its construction. */
export class Session implements AgentSession {
  readonly leaf: Leaf;
  version = '';
  readonly #options: SessionOptions;
  readonly #socket: TLSSocket;
  readonly #reader = new LineReader(maxAgentLineBytes);
  readonly #outbox = new Outbox();
  readonly #pings: NodeJS.Timeout;
  readonly #helloTimer: NodeJS.Timeout;
  #isReady = false;
  #lastHeardMs = performance.now();
  /** Since when the socket takes no more. */
  #blockedSinceMs: number | undefined;
  #cost = 0;
  #windowMs = performance.now();
  #resting: NodeJS.Timeout | undefined;
  #reason = 'closed';

  constructor(options: SessionOptions) {
    const { socket, leaf, version } = options;
    this.#options = options;
    this.#socket = socket;
    this.leaf = leaf;
    this.#pings = setInterval(() => this.#beat(), pingEveryMs);
    this.#helloTimer = setTimeout(() => this.close('no-hello'), helloWithinMs);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('drain', () => this.#flush());
    socket.once('close', () => this.#closed());
    this.send({ kind: 'hello', versions: [...messageVersions], version });
  }

  send(message: OperatorMessage): void {
    if (!this.#socket.writable) return;
    if (!this.#outbox.put(message)) this.close('slow-reader');
    else if (this.#blockedSinceMs === undefined) this.#flush();
  }

  close(reason: string): void {
    if (this.#socket.destroyed) return;
    this.#reason = reason;
    this.#socket.destroy();
  }

  #flush(): void {
    this.#blockedSinceMs = undefined;
    for (let next = this.#outbox.take(); next !== undefined; next = this.#outbox.take()) {
      if (this.#socket.write(`${JSON.stringify(next)}\n`)) continue;
      this.#blockedSinceMs = performance.now();
      return;
    }
  }

  #beat(): void {
    const nowMs = performance.now();
    // A rest that we ordered is no silence of the agent's.
    if (this.#resting === undefined && nowMs - this.#lastHeardMs > pingEveryMs * 3) this.close('silent');
    else if (nowMs - (this.#blockedSinceMs ?? nowMs) > slowReaderMs) this.close('slow-reader');
    else this.send({ kind: 'ping' });
  }

  #take(chunk: Buffer): void {
    this.#lastHeardMs = performance.now();
    this.#reader.push(chunk);
    this.#read();
  }

  #read(): void {
    while (this.#resting === undefined && !this.#socket.destroyed) {
      const line = this.#reader.next();
      if (line === undefined) return;
      if (!line.ok) {
        this.#options.onDropped(line.reason, line.detail);
        this.close(line.reason);
        return;
      }
      this.#spend(line.value.length);
      this.#judge(line.value);
    }
  }

  /** Beyond its share of a second, the agent's next lines wait in its own socket. */
  #spend(bytes: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#windowMs >= 1000) [this.#windowMs, this.#cost] = [nowMs, 0];
    this.#cost += 1 + Math.floor(bytes / bytesPerCost);
    if (this.#cost <= maxCostPerSecond) return;
    this.#socket.pause();
    const restMs = Math.max(100, this.#windowMs + 1000 - nowMs);
    this.#resting = setTimeout(() => {
      this.#resting = undefined;
      this.#lastHeardMs = performance.now();
      this.#read();
      if (this.#resting === undefined) this.#socket.resume();
    }, restMs);
  }

  #judge(line: string): void {
    const message = readAgentLine(line);
    if (message.ok) {
      this.#handle(message.value);
      return;
    }
    this.#options.onDropped(message.reason, message.detail);
    if (message.reason === 'not-json') this.close('not-json');
    else if (!this.#isReady) this.close('no-hello');
  }

  #handle(message: AgentMessage): void {
    if (message.kind === 'hello') this.#greet(message.versions, message.version);
    else if (!this.#isReady) this.close('no-hello');
    else if (message.kind === 'report') {
      const { report, foreign } = judgeReport(this.leaf, message, (camera) =>
        this.#options.isAssigned(this.leaf.name, camera),
      );
      if (foreign > 0) {
        const detail = `${foreign} parts of a report of ${this.leaf.name} are not its to say`;
        this.#options.onDropped('report-foreign', detail);
      }
      this.#options.onMessage(this, report);
    } else if (message.kind !== 'ping') this.#options.onMessage(this, message);
  }

  #greet(versions: readonly number[], version: string): void {
    if (this.#isReady) return;
    clearTimeout(this.#helloTimer);
    if (chooseVersion(versions) === undefined) {
      this.#reason = 'version';
      refuse(this.#socket, 'VersionUnknown', describeVersions(versions));
      return;
    }
    this.version = version;
    this.#isReady = true;
    this.#options.onReady(this);
  }

  #closed(): void {
    clearInterval(this.#pings);
    clearTimeout(this.#helloTimer);
    clearTimeout(this.#resting);
    if (this.#isReady) this.#options.onClose(this, this.#reason);
  }
}

/** Says why not, and closes: at once where the other side does not take it. */
export function refuse(socket: TLSSocket, reason: string, message: string, retryAfterMs?: number): void {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  const refusal: OperatorMessage = { kind: 'refused', reason, message: message.slice(0, 1024), ...wait };
  socket.end(`${JSON.stringify(refusal)}\n`);
  const timer = setTimeout(() => socket.destroy(), 1000);
  socket.once('close', () => clearTimeout(timer));
}
