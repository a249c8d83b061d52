/** Takes the payload of the stream that cuts go by (the video, or the first stream of a program without) out of packets. */
import { judgeContinuity, type PacketHeader, PacketReader, parsePacketHeader } from './mpegts.ts';
import { PesHeaderReader } from './pes.ts';
import { isFreePid, ProgramReader } from './program-reader.ts';
import { castStreams } from './ts-roles.ts';

/** Where a PES packet begins. */
export interface PesPlace {
  readonly offset: number;
  /** 90 kHz, 33 bits. */
  readonly pts?: number;
}

export interface LeaderListener {
  /** Another stream leads from here on, of this type. */
  onStream(streamType: number): void;
  onPes(place: PesPlace): void;
  /** @param bytes valid during the call only */
  onPayload(bytes: Uint8Array, from: number, to: number): void;
}

/** The whole payload, in order, with whatever a lost packet leaves of it. Bounded memory. */
export class LeaderPesReader {
  readonly #listener: LeaderListener;
  readonly #packets = new PacketReader(0);
  readonly #program = new ProgramReader();
  readonly #pes = new PesHeaderReader();
  readonly #continuity = new Map<number, number>();
  readonly #tails = new Map<number, number>();
  #leader: { readonly pid: number; readonly streamType: number } | undefined;
  #state: 'idle' | 'header' | 'payload' = 'idle';
  #pesOffset = 0;

  constructor(listener: LeaderListener) {
    this.#listener = listener;
  }

  push(bytes: Uint8Array): void {
    this.#packets.push(bytes, this.#onPacket);
  }

  readonly #onPacket = (bytes: Uint8Array, at: number, offset: number): void => {
    const header = parsePacketHeader(bytes, at);
    if (header === undefined) return;
    const isTable = this.#program.isTablePid(header.pid);
    if (!isTable && header.pid !== this.#leader?.pid) return;
    if (!this.#hasNews(header, isTable) || !header.hasPayload || header.isScrambled) return;
    if (isTable) this.#onTable(header, bytes, offset);
    else this.#onLeader(header, bytes, offset);
  };

  /** False for a packet that was sent twice. */
  #hasNews(header: PacketHeader, isTable: boolean): boolean {
    const { pid } = header;
    const continuity = judgeContinuity(header, this.#continuity.get(pid), this.#tails.get(pid));
    this.#continuity.set(pid, header.continuity);
    this.#tails.set(pid, header.tail);
    if (continuity === 'broken' && isTable) this.#program.lose(pid);
    return continuity !== 'repeated';
  }

  #onTable(header: PacketHeader, bytes: Uint8Array, offset: number): void {
    const change = this.#program.push(header, bytes, offset);
    if (change === undefined) return;
    const free = change.program.streams.filter(({ pid }) => isFreePid(pid) && !this.#program.isTablePid(pid));
    const leader = castStreams(free).find(([, role]) => role !== 'other')?.[0];
    const isSame = leader?.pid === this.#leader?.pid && leader?.streamType === this.#leader?.streamType;
    this.#leader = leader;
    if (isSame) return;
    this.#state = 'idle';
    this.#continuity.clear();
    this.#tails.clear();
    if (leader !== undefined) this.#listener.onStream(leader.streamType);
  }

  #onLeader(header: PacketHeader, bytes: Uint8Array, offset: number): void {
    if (header.isStart) {
      this.#pes.reset();
      this.#state = 'header';
      this.#pesOffset = offset;
    }
    let at = header.payloadAt;
    if (this.#state === 'header') {
      const read = this.#pes.push(bytes, at, header.payloadEnd);
      if (read === 'bad') this.#state = 'idle';
      if (typeof read !== 'object') return;
      at = read.payloadAt;
      this.#state = 'payload';
      const { pts } = read.header;
      this.#listener.onPes({ offset: this.#pesOffset, ...(pts === undefined ? {} : { pts }) });
    }
    if (this.#state === 'payload') this.#listener.onPayload(bytes, at, header.payloadEnd);
  }
}
