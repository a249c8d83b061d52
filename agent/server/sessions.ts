/** One client's session: its hello, its frames into the sinks, our lines back. What is decided is decided elsewhere. */
import type { Socket } from 'node:net';
import {
  type Begin,
  type Bye,
  type Connect,
  type HospDocument,
  type Refused,
  type ServerReference,
  encodeDocument,
  parseDocument,
} from '../../protocol/documents.ts';
import { type Frame, FrameReader } from '../../protocol/frames.ts';
import { LineReader } from '../../protocol/lines.ts';
import type { Leaf } from '../../protocol/trust.ts';
import type { Sink, SinkStream } from '../sinks/sink.ts';
import { SessionStream, maxBacklogBytes } from './session-stream.ts';

/** Four lines a second while bytes flow leave an ack gap of at most 250 ms. */
const tickMs = 200;
const quietLineTicks = 1000 / tickMs;
const helloTicks = 5000 / tickMs;
const silenceTicks = 10_000 / tickMs;
/** How long a client that is gone or sent away may take for what is left. */
const leaveTicks = 10_000 / tickMs;
/** Lines are small: a client that does not read them for an hour is not there. */
const maxUnreadBytes = 256 << 10;

export interface SessionOwner {
  /** The certificate's client said hello; answer with `welcome` or `bye`. Nothing of it is read before. */
  onHello(session: ClientSession, connect: Connect): void;
  /** The client began a part: it streams to us. */
  onBegun(session: ClientSession): void;
  /** The client said `end`: it only waits for acks, unless it begins again. */
  onEnded(session: ClientSession): void;
  onRefused(session: ClientSession, refused: Refused): void;
  /** Comes once: nothing more will be read. A half-open connection may still get its last ack. */
  onGone(session: ClientSession, reason: string): void;
}

type State = 'hello' | 'asked' | 'welcomed' | 'leaving' | 'closed';

export interface SessionOptions {
  readonly socket: Socket;
  readonly leaf: Leaf;
  /** Our identifier: a hello for another server is an error. */
  readonly serverId: string;
  readonly owner: SessionOwner;
}

/** Time is counted in ticks of our own loop: while we stand still nobody is silent. */
export class ClientSession {
  readonly leaf: Leaf;
  readonly #socket: Socket;
  readonly #owner: SessionOwner;
  readonly #serverId: string;
  readonly #lines = new LineReader();
  readonly #frames = new FrameReader();
  readonly #timer: NodeJS.Timeout;
  readonly #closed = Promise.withResolvers<void>();
  #state: State = 'hello';
  #isGone = false;
  #connect: Connect | undefined;
  #stream: SessionStream | undefined;
  #filesClosed: Promise<void> | undefined;
  #stateTicks = 0;
  #silentTicks = 0;
  #lineTicks = 0;
  #acked = { received: 0, durable: 0 };
  #isFirstAfterBegin = false;
  #releasing: Bye['reason'] | undefined;

  constructor({ socket, leaf, serverId, owner }: SessionOptions) {
    this.leaf = leaf;
    this.#socket = socket;
    this.#owner = owner;
    this.#serverId = serverId;
    this.#timer = setInterval(() => this.#tick(), tickMs);
    socket.on('data', (bytes: Uint8Array) => this.#read(bytes));
    socket.on('end', () => this.#ended());
    socket.on('close', () => this.#cleanUp());
    socket.on('error', () => {
      // `close` follows.
    });
  }

  /** What the client said, from its hello on. */
  get connect(): Connect | undefined {
    return this.#connect;
  }

  get received(): number {
    return this.#stream?.received ?? 0;
  }

  get durable(): number {
    return this.#stream?.durable ?? 0;
  }

  /** Resolves when the connection is closed and the files of its sinks are. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Takes the client: its bytes go into these sinks from now on. */
  welcome(sinks: readonly Sink[]): void {
    if (this.#state !== 'asked' || this.#connect === undefined) return;
    const { stream, term, media } = this.#connect;
    this.#stream = new SessionStream(sinks, { name: this.leaf.name, stream, term, media });
    this.#enter('welcomed');
    this.say({ kind: 'welcome' });
    this.#readFrames(this.#lines.rest());
    this.#socket.resume();
  }

  /** The fail-over list. */
  tellPeers(servers: readonly ServerReference[]): void {
    if (this.#state === 'welcomed') this.say({ kind: 'peers', servers });
  }

  /** Says a document as a line; nothing after `bye`. */
  say(document: HospDocument): void {
    if (!this.#socket.writable) return;
    if (this.#socket.writableLength > maxUnreadBytes) {
      this.#socket.destroy();
      return;
    }
    this.#socket.write(`${encodeDocument(document)}\n`);
    this.#lineTicks = 0;
  }

  /** Sends the client away: the last ack, why, and the end. What it still sends is not read. */
  bye(reason: Bye['reason'], term?: number): void {
    if (this.#state === 'leaving' || this.#state === 'closed') return;
    if (this.#state === 'welcomed') this.#ack();
    this.say({ kind: 'bye', reason, ...(term === undefined ? {} : { term }) });
    this.#enter('leaving');
    this.#gone(`bye ${reason}`);
    this.#filesClosed = this.#stream?.close();
    this.#socket.end();
    this.#socket.resume();
    // Whoever is not trusted any more gets the reason and no time.
    if (reason === 'untrusted' && this.#releasing === undefined) this.#socket.destroySoon();
  }

  /** Reads nothing more; makes what came durable and acks it, in 10 s at most; then `bye`. */
  release(reason: Bye['reason']): void {
    if (this.#releasing !== undefined) return;
    this.#releasing = reason;
    this.#stateTicks = 0;
    this.#socket.pause();
    this.#stream?.commit();
    this.#tickRelease();
  }

  /** A sink says that a stream's `durable` rose. @returns whether the stream is this session's */
  durableRose(stream: SinkStream): boolean {
    if (this.#stream === undefined || !this.#stream.has(stream)) return false;
    if (this.#stream.durable > this.#acked.durable) this.#ack();
    this.#balance();
    return true;
  }

  #read(bytes: Uint8Array): void {
    switch (this.#state) {
      case 'hello':
        this.#lines.push(bytes);
        this.#readHello();
        break;
      case 'asked':
        // Paused: this is what was already on its way.
        this.#lines.push(bytes);
        break;
      case 'welcomed':
        this.#readFrames(bytes);
        break;
      case 'leaving':
      case 'closed':
        break;
    }
  }

  #readHello(): void {
    const line = this.#lines.next();
    if (line === undefined) return;
    const parsed = line.ok ? parseDocument(line.value) : line;
    const hello = parsed.ok ? parsed.value.body : undefined;
    if (hello?.kind !== 'connect' || hello.to !== this.#serverId || hello.from !== this.leaf.id) {
      this.#fail('hello');
      return;
    }
    this.#connect = hello;
    this.#enter('asked');
    this.#socket.pause();
    this.#owner.onHello(this, hello);
  }

  #readFrames(bytes: Uint8Array): void {
    for (const frame of this.#frames.push(bytes)) {
      this.#silentTicks = 0;
      const problem = this.#takeFrame(frame);
      if (problem !== undefined) this.#fail(problem);
      if (this.#state !== 'welcomed') return;
    }
    if (this.#frames.problem !== undefined) this.#fail(this.#frames.problem);
    this.#balance();
  }

  /** @returns what is wrong with it */
  #takeFrame({ kind, payload }: Frame): string | undefined {
    if (kind === 'control') return this.#takeControl(payload);
    const problem = this.#stream?.take(payload, kind === 'media');
    if (this.#isFirstAfterBegin && kind === 'media' && problem === undefined) {
      this.#isFirstAfterBegin = false;
      this.#ack();
    }
    return problem;
  }

  #takeControl(payload: Uint8Array): string | undefined {
    const parsed = parseDocument(payload);
    // What a later version says is none of our business; what is not a document is.
    if (!parsed.ok) return parsed.reason === 'child' ? undefined : parsed.reason;
    const { body } = parsed.value;
    if (body.kind === 'ping') return undefined;
    if (body.kind === 'begin') return this.#begin(body);
    if (body.kind === 'end') return this.#end(body.offset);
    if (body.kind !== 'refused') return 'document';
    this.#owner.onRefused(this, body);
    return undefined;
  }

  #begin(begin: Begin): string | undefined {
    const problem = this.#stream?.begin(begin);
    if (problem !== undefined) return problem;
    this.#isFirstAfterBegin = true;
    this.#owner.onBegun(this);
    return undefined;
  }

  #end(offset: number): string | undefined {
    const problem = this.#stream?.end(offset);
    if (problem !== undefined) return problem;
    this.#ack();
    this.#owner.onEnded(this);
    return undefined;
  }

  #ack(): void {
    if (this.#stream === undefined) return;
    const { received, durable } = this.#stream;
    this.#acked = { received, durable };
    this.say({ kind: 'ack', received, durable });
  }

  /** Reads on only while the disk keeps up: what we do not read stays in the client's ring. */
  #balance(): void {
    if (this.#state !== 'welcomed' || this.#stream === undefined || this.#releasing !== undefined) return;
    const { backlogBytes } = this.#stream;
    if (backlogBytes > maxBacklogBytes) this.#socket.pause();
    else if (this.#socket.isPaused() && backlogBytes <= maxBacklogBytes / 2) this.#socket.resume();
  }

  #tick(): void {
    this.#stateTicks += 1;
    this.#lineTicks += 1;
    switch (this.#state) {
      case 'hello':
      case 'asked':
        if (this.#stateTicks >= helloTicks) this.#fail('hello timeout');
        break;
      case 'welcomed':
        this.#tickWelcomed();
        break;
      case 'leaving':
        this.#tickLeaving();
        break;
      case 'closed':
        break;
    }
  }

  #tickWelcomed(): void {
    // Only a new session, which begins at what is durable here, can make the rest safe.
    if (this.#stream?.isFrozen === true) {
      this.#fail('frozen');
      return;
    }
    this.#balance();
    this.#tickAck();
    this.#tickSilence();
    this.#tickRelease();
  }

  #tickRelease(): void {
    const { received, durable } = this.#stream ?? this.#acked;
    const isDue = durable >= received || this.#stateTicks >= leaveTicks;
    if (this.#releasing !== undefined && isDue) this.bye(this.#releasing);
  }

  #tickAck(): void {
    const { received, durable } = this.#stream ?? this.#acked;
    const isNews = received !== this.#acked.received || durable < received;
    if (isNews || this.#lineTicks >= quietLineTicks) this.#ack();
  }

  #tickSilence(): void {
    // While we do not read, we cannot know.
    this.#silentTicks = this.#socket.isPaused() ? 0 : this.#silentTicks + 1;
    if (this.#silentTicks < silenceTicks) return;
    this.#gone('silent');
    this.#socket.destroy();
  }

  /** The client's FIN: it is gone, but wants to know what is durable if it only closed its side. */
  #ended(): void {
    if (this.#state !== 'welcomed') {
      this.#socket.end();
      return;
    }
    this.#enter('leaving');
    this.#gone('fin');
    this.#stream?.commit();
    this.#ack();
    this.#tickLeaving();
  }

  #tickLeaving(): void {
    const isOver = this.#stateTicks >= leaveTicks;
    if (isOver) this.#socket.destroy();
    else if (this.#socket.writable && this.#stream !== undefined) {
      const { received, durable, isFrozen } = this.#stream;
      if (durable > this.#acked.durable) this.#ack();
      if (durable >= received || isFrozen) this.#socket.end();
    }
  }

  #fail(problem: string): void {
    this.#gone(problem);
    this.bye('error');
  }

  #enter(state: State): void {
    this.#state = state;
    this.#stateTicks = 0;
    this.#silentTicks = 0;
  }

  #gone(reason: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#owner.onGone(this, reason);
  }

  #cleanUp(): void {
    clearInterval(this.#timer);
    this.#enter('closed');
    this.#gone('closed');
    this.#filesClosed ??= this.#stream?.close();
    this.#closed.resolve(this.#filesClosed);
  }
}
