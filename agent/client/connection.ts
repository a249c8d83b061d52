/** One session's socket: the hello out, lines in, frames out of the ring only while the socket takes them. */
import type { TLSSocket } from 'node:tls';
import {
  type Begin,
  type Connect,
  type HospDocument,
  type Refused,
  encodeDocument,
  parseDocument,
} from '../../protocol/documents.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import { encodeFrame, encodeFrameHeader, maxFramePayloadBytes } from '../../protocol/frames.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import { LineReader } from '../../protocol/lines.ts';
import { quote } from '../../protocol/result.ts';
import type { Leaf } from '../../protocol/trust.ts';
import { type Dial, type Dialed, dialFirst } from './dial-race.ts';
import type { CloseHow, DialProblem } from './core-events.ts';
import type { Ring } from './ring.ts';

/** What a connection tells its client; nothing after `onFailed` or `onClosed`. */
export interface ConnectionListener {
  onFailed(reason: DialProblem, detail: string): void;
  onWelcomed(leaf: Leaf, id: ServerId): void;
  onDocument(document: HospDocument): void;
  /** The socket takes bytes again. */
  onDrain(): void;
  onClosed(how: CloseHow, detail: string): void;
}

export interface ConnectionOptions {
  readonly endpoints: readonly Endpoint[];
  readonly dial: Dial;
  /** Says why a dial failed. */
  readonly problemOf: (error: unknown) => DialProblem;
  readonly hello: (to: ServerId) => Connect;
  readonly ring: Ring;
  readonly listener: ConnectionListener;
}

/** What a later version says is no business of ours, but a sign of life. */
const unknownDocument: HospDocument = { kind: 'ping' };
/** How long FIN may take to be answered. */
const lingerMs = 2000;

/** A session from dial to close. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #abort = new AbortController();
  readonly #lines = new LineReader();
  #socket: TLSSocket | undefined;
  #leaf: Leaf | undefined;
  #isWelcomed = false;
  #isOver = false;
  #cursor = 0;
  #limit = 0;
  #isQuiet = true;
  readonly #closed = Promise.withResolvers<void>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    void this.#open();
  }

  /** The next byte that it will send. */
  get cursor(): number {
    return this.#cursor;
  }

  /** The server's certificate, from the handshake on. */
  get leaf(): Leaf | undefined {
    return this.#leaf;
  }

  get socket(): TLSSocket | undefined {
    return this.#socket;
  }

  /** Resolves when nothing is left open. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Says `begin`; counted bytes go on from there. @param injected goes behind it, uncounted */
  begin(begin: Begin, injected: Uint8Array): void {
    this.#cursor = begin.offset;
    this.#limit = begin.offset;
    this.#say(begin);
    for (let at = 0; at < injected.length; at += maxFramePayloadBytes) {
      this.#write(encodeFrame('injected', injected.subarray(at, at + maxFramePayloadBytes)));
    }
  }

  end(offset: number): void {
    this.#say({ kind: 'end', offset });
  }

  refuse(refused: Refused): void {
    this.#say(refused);
  }

  /** Says something where nothing was said since the last call: once a second. */
  keepAlive(): void {
    if (this.#isQuiet && this.#isWelcomed) this.#say({ kind: 'ping' });
    this.#isQuiet = true;
  }

  /** How far counted bytes may go. */
  limit(upTo: number): void {
    this.#limit = upTo;
  }

  /** Sends while the socket takes it and the limit allows. @returns whether anything was sent */
  pump(): boolean {
    const socket = this.#socket;
    if (socket === undefined || this.#cursor >= this.#limit || socket.writableNeedDrain) return false;
    const before = this.#cursor;
    socket.cork();
    while (this.#cursor < this.#limit && !socket.writableNeedDrain && socket.writable) {
      const upTo = Math.min(this.#limit, this.#cursor + maxFramePayloadBytes);
      const payload = this.#options.ring.read(this.#cursor, upTo);
      this.#write(encodeFrameHeader('media', payload.length));
      this.#write(payload);
      this.#cursor += payload.length;
    }
    socket.uncork();
    return this.#cursor > before;
  }

  /** FIN behind what was written (`done`), or at once. */
  close(how: 'done' | 'abandoned'): void {
    this.#isOver = true;
    // A reason of our own: making Node's, an error with its stack, takes as long as all else here.
    this.#abort.abort('closed');
    const socket = this.#socket;
    if (socket === undefined) return;
    if (how === 'abandoned') {
      socket.destroy();
      return;
    }
    socket.end();
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(timer));
  }

  /** When the server's certificate runs out; it never does while nobody has answered. */
  get expiresAtMs(): number {
    return this.#leaf?.notAfterMs ?? Infinity;
  }

  /** The certificate is not trusted any more. */
  distrust(detail: string): void {
    this.#finish('untrusted', detail);
    this.#socket?.destroy();
  }

  async #open(): Promise<void> {
    const { endpoints, dial, problemOf, listener } = this.#options;
    try {
      const dialed = await dialFirst({ endpoints, dial, pause }, this.#abort.signal);
      if (this.#isOver) dialed.socket.destroy();
      this.#start(dialed);
    } catch (error) {
      this.#socket?.destroy();
      this.#closed.resolve();
      if (this.#isOver) return;
      this.#isOver = true;
      listener.onFailed(problemOf(error), messageOf(error));
    }
  }

  #start({ socket, leaf }: Dialed): void {
    this.#socket = socket;
    this.#leaf = leaf;
    socket.on('error', (error) => this.#finish('reset', messageOf(error)));
    socket.on('close', () => {
      this.#finish('reset', 'the connection was closed');
      this.#closed.resolve();
    });
    socket.on('end', () => this.#finish('fin', 'the server closed the connection'));
    socket.on('drain', () => this.#isOver || this.#options.listener.onDrain());
    socket.on('data', (bytes: Uint8Array) => this.#read(bytes));
    if (socket.destroyed) {
      this.#finish('reset', 'the server closed the connection at once');
      this.#closed.resolve();
      return;
    }
    if (!isServer(leaf)) throw new Error(`the certificate of ${quote(leaf.id)} is not a server's`);
    this.#write(`${encodeDocument(this.#options.hello(leaf.id))}\n`);
  }

  #read(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#lines.push(bytes);
    for (let line = this.#lines.next(); line !== undefined; line = this.#lines.next()) {
      const parsed = line.ok ? parseDocument(line.value) : line;
      if (parsed.ok) this.#take(parsed.value.body);
      else if (parsed.reason === 'child') this.#take(unknownDocument);
      else {
        this.#finish('error', parsed.detail);
        this.#socket?.destroy();
      }
      if (this.#isOver) return;
    }
  }

  #take(document: HospDocument): void {
    if (document.kind !== 'welcome') {
      this.#options.listener.onDocument(document);
      return;
    }
    const leaf = this.#leaf;
    if (this.#isWelcomed || leaf === undefined || !isServer(leaf)) return;
    this.#isWelcomed = true;
    this.#options.listener.onWelcomed(leaf, leaf.id);
  }

  #say(document: HospDocument): void {
    this.#write(encodeFrame('control', encodeDocument(document)));
  }

  #write(bytes: Uint8Array | string): void {
    if (this.#socket?.writable !== true) return;
    this.#isQuiet = false;
    this.#socket.write(bytes);
  }

  #finish(how: CloseHow, detail: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.listener.onClosed(how, detail);
  }
}

function isServer(leaf: Leaf): leaf is Leaf & { readonly id: ServerId } {
  return leaf.role === 'server';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'it failed';
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      resolve();
    };
    const timer = setTimeout(stop, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
