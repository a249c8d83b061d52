/** One connection between two servers, called or calling: documents as lines, a ping each second, 3 s of silence is loss. */
import type { Socket } from 'node:net';
import { type HospDocument, encodeDocument, parseDocument } from '../../protocol/documents.ts';
import { LineReader } from '../../protocol/lines.ts';
import type { Leaf } from '../../protocol/trust.ts';

const tickMs = 200;
const pingTicks = 1000 / tickMs;
const silenceTicks = 3000 / tickMs;
/** What a called server waits for the caller's first line. */
const firstLineTicks = 5000 / tickMs;
const closeTicks = 2000 / tickMs;
/** 500 lines a second: each may be an announcement that costs a verification, and none of them is worth more. */
const maxLinesPerTick = 100;
/** A peer that does not read is lost by its silence long before; this bounds what it costs until then. */
const maxUnreadBytes = 256 << 10;

export interface LinkOwner {
  /** A line came that is not a ping; the first one of a called server's caller included. */
  onLine(link: Link, document: HospDocument): void;
  /** The caller spoke, or we are the caller: now is the time to say what we are. */
  onOpen(link: Link): void;
  /** Comes once; nothing more is read. */
  onLost(link: Link, reason: string): void;
}

export interface LinkOptions {
  readonly socket: Socket;
  readonly leaf: Leaf;
  /** Whether it is our own call: the caller speaks first, and only such a link confirms its peer. */
  readonly isOurs: boolean;
  readonly owner: LinkOwner;
}

/** Time is counted in ticks of our own loop: while we stand still nobody is silent. */
export class Link {
  readonly leaf: Leaf;
  readonly isOurs: boolean;
  /** Where we are reached by this peer. */
  readonly localAddress: string;
  readonly #socket: Socket;
  readonly #owner: LinkOwner;
  readonly #lines = new LineReader();
  readonly #timer: NodeJS.Timeout;
  readonly #openedAtMs = performance.now();
  readonly #closed = Promise.withResolvers<void>();
  #isOpen = false;
  #isLost = false;
  #silentTicks = 0;
  #pingTicks = 0;
  #linesThisTick = 0;

  constructor({ socket, leaf, isOurs, owner }: LinkOptions) {
    this.leaf = leaf;
    this.isOurs = isOurs;
    this.localAddress = (socket.localAddress ?? '').replace(/^::ffff:/, '');
    this.#socket = socket;
    this.#owner = owner;
    this.#timer = setInterval(() => this.#tick(), tickMs);
    socket.on('data', (bytes: Uint8Array) => {
      if (this.#isLost) return;
      this.#lines.push(bytes);
      if (!this.#readLines() && !this.#isLost) socket.pause();
    });
    socket.on('end', () => this.#lose('closed by the peer'));
    socket.on('close', () => this.#cleanUp());
    socket.on('error', () => {
      // `close` follows.
    });
  }

  /** Whether the other side takes lines from us: not before it called and spoke, and not after it is lost. */
  get isOpen(): boolean {
    return this.#isOpen && !this.#isLost;
  }

  get lastedMs(): number {
    return performance.now() - this.#openedAtMs;
  }

  /** Resolves when the connection is closed. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Begins a call of ours; a called link begins when its caller speaks. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#owner.onOpen(this);
  }

  say(document: HospDocument): void {
    if (!this.#socket.writable || this.#isLost) return;
    if (this.#socket.writableLength > maxUnreadBytes) {
      this.#lose('does not read');
      return;
    }
    this.#socket.write(`${encodeDocument(document)}\n`);
    this.#pingTicks = 0;
  }

  close(reason: string): void {
    this.#lose(reason);
  }

  /** @returns whether nothing is left for the next tick */
  #readLines(): boolean {
    while (this.#linesThisTick < maxLinesPerTick && !this.#isLost) {
      const line = this.#lines.next();
      if (line === undefined) return true;
      this.#linesThisTick += 1;
      this.#silentTicks = 0;
      const parsed = line.ok ? parseDocument(line.value) : line;
      if (parsed.ok) this.#take(parsed.value.body);
      // A document of a later version has no child that we know.
      else if (parsed.reason !== 'child') this.#lose(parsed.reason);
    }
    return false;
  }

  #take(document: HospDocument): void {
    this.open();
    if (document.kind !== 'ping') this.#owner.onLine(this, document);
  }

  #tick(): void {
    if (this.#isLost) {
      this.#silentTicks += 1;
      if (this.#silentTicks >= closeTicks) this.#socket.destroy();
      return;
    }
    this.#linesThisTick = 0;
    if (this.#readLines() && this.#socket.isPaused()) this.#socket.resume();
    this.#silentTicks += 1;
    this.#pingTicks += 1;
    const limit = this.#isOpen ? silenceTicks : firstLineTicks;
    if (this.#silentTicks >= limit) this.#lose('silent');
    else if (this.#isOpen && this.#pingTicks >= pingTicks) this.say({ kind: 'ping' });
  }

  #lose(reason: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#silentTicks = 0;
    // What comes is thrown away, or the peer's FIN is never read and the socket never closes.
    this.#socket.resume();
    this.#socket.end();
    this.#owner.onLost(this, reason);
  }

  #cleanUp(): void {
    this.#lose('closed');
    clearInterval(this.#timer);
    this.#closed.resolve();
  }
}
