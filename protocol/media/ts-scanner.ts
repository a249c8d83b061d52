/** Reads along with an MPEG transport stream: tables, PES starts and key frames of its first program. */
import { judgeContinuity, PacketReader, parsePacketHeader, type PacketHeader } from './mpegts.ts';
import { PesHeaderReader } from './pes.ts';
import { isFreePid, ProgramReader } from './program-reader.ts';
import type { Program, ProgramStream } from './psi.ts';
import type { Mark, MediaScanner } from './scanner.ts';
import { type Entry, EntryLog } from './ts-entries.ts';
import { encodePreamble } from './ts-preamble.ts';
import { castStreams, type Role } from './ts-roles.ts';
import { StartEntry } from './ts-start.ts';
import { createVideoReader } from './video-codecs.ts';
import type { Picture, VideoReader } from './video-reader.ts';

interface ElementaryStream {
  readonly pid: number;
  readonly streamType: number;
  readonly role: Role;
  readonly video: VideoReader | undefined;
  readonly pes: PesHeaderReader;
  /** What its packets are now read as. */
  state: 'idle' | 'header' | 'payload';
  /** The place of its PES packet. */
  entry: Entry;
}

interface Packet {
  readonly header: PacketHeader;
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** `video/mp2t`. */
export class TsScanner implements MediaScanner {
  readonly media = 'video/mp2t';
  #packets: PacketReader;
  #program = new ProgramReader();
  #streams = new Map<number, ElementaryStream>();
  readonly #continuity = new Map<number, number>();
  readonly #tails = new Map<number, number>();
  readonly #entries = new EntryLog();
  #start: StartEntry;
  /** Annex B; what key frames lacked. */
  #parameterSets: Uint8Array = new Uint8Array(0);
  #marks: Mark[] = [];

  constructor(startOffset: number) {
    this.#packets = new PacketReader(startOffset);
    this.#start = new StartEntry(startOffset);
  }

  get elementaryPids(): readonly number[] {
    return [...this.#streams.keys()];
  }

  push(bytes: Uint8Array): readonly Mark[] {
    this.#packets.push(bytes, this.#onPacket);
    const marks = this.#marks;
    this.#marks = [];
    return marks;
  }

  preamble(offset?: number): Uint8Array {
    const entry = offset === undefined ? this.#entryAt(0) : this.#entryFor(offset);
    return entry === undefined ? new Uint8Array(0) : encodePreamble(entry);
  }

  /** Places before `offset` stay known: a server may still have to be given what a ring holds of them. */
  restart(offset: number): void {
    const start = this.#start.entry();
    if (start !== undefined) this.#entries.keep(start, true);
    this.#start = new StartEntry(offset);
    this.#packets = new PacketReader(offset);
    this.#program = new ProgramReader();
    this.#streams = new Map();
    this.#parameterSets = new Uint8Array(0);
    this.#continuity.clear();
    this.#tails.clear();
  }

  readonly #onPacket = (bytes: Uint8Array, at: number, offset: number): void => {
    const header = parsePacketHeader(bytes, at);
    if (header === undefined) return;
    const { pid } = header;
    const stream = this.#streams.get(pid);
    if (stream === undefined && !this.#program.isTablePid(pid)) return;
    const last = this.#continuity.get(pid);
    if (last === undefined) this.#start.takeFirst(pid, header.continuity);
    const continuity = judgeContinuity(header, last, this.#tails.get(pid));
    if (continuity === 'broken') this.#lose(pid, stream);
    if (continuity !== 'repeated' && header.hasPayload && !header.isScrambled) {
      // Entries keep the counters as they are before the packet.
      this.#continuity.set(pid, (header.continuity - 1) & 0x0f);
      this.#onPayload(stream, { header, bytes, offset });
    }
    this.#continuity.set(pid, header.continuity);
    this.#tails.set(pid, header.tail);
  };

  #lose(pid: number, stream: ElementaryStream | undefined): void {
    if (this.#program.isTablePid(pid)) this.#program.lose(pid);
    if (stream === undefined) return;
    stream.state = 'idle';
    stream.video?.abandon();
  }

  #onPayload(stream: ElementaryStream | undefined, packet: Packet): void {
    const { header, bytes, offset } = packet;
    if (stream !== undefined && !this.#program.isTablePid(header.pid)) {
      this.#onElementary(stream, packet);
      return;
    }
    const change = this.#program.push(header, bytes, offset);
    if (change === undefined) return;
    this.#follow(change.program);
    if (change.isFirst) {
      const pids = [...this.#program.pids, ...this.#streams.keys()];
      this.#start.takeTables(this.#program.tables, pids, this.#videoPid);
      return;
    }
    this.#entries.keep(this.#entryAt(change.offset), true);
    this.#marks.push({ kind: 'change', offset: change.offset, what: 'pmt' });
  }

  /** Another program: a stream that goes on is read on, a new one from its next PES packet. */
  #follow(program: Program): void {
    const old = this.#streams;
    this.#streams = new Map();
    const wanted = program.streams.filter(({ pid }) => isFreePid(pid) && !this.#program.isTablePid(pid));
    for (const [stream, role] of castStreams(wanted)) {
      const before = old.get(stream.pid);
      const goesOn = before?.role === role && before.streamType === stream.streamType;
      this.#streams.set(stream.pid, goesOn ? before : this.#openStream(stream, role));
    }
    for (const pid of this.#continuity.keys()) {
      if (this.#program.isTablePid(pid) || this.#streams.has(pid)) continue;
      this.#continuity.delete(pid);
      this.#tails.delete(pid);
    }
  }

  #openStream({ pid, streamType }: ProgramStream, role: Role): ElementaryStream {
    const video = role === 'video' ? createVideoReader(streamType) : undefined;
    return {
      pid,
      streamType,
      role,
      video,
      pes: new PesHeaderReader(),
      state: 'idle',
      entry: this.#entryAt(0),
    };
  }

  #onElementary(stream: ElementaryStream, { header, bytes, offset }: Packet): void {
    if (header.isStart) this.#beginPes(stream, header.randomAccess, offset);
    let at = header.payloadAt;
    if (stream.state === 'header') {
      const read = stream.pes.push(bytes, at, header.payloadEnd);
      if (typeof read === 'object') this.#openPes(stream, read.header.pts);
      if (read === 'bad') stream.state = 'idle';
      if (typeof read === 'object') at = read.payloadAt;
    }
    if (stream.state !== 'payload') return;
    const picture = stream.video?.push(bytes, at, header.payloadEnd);
    if (picture !== undefined) this.#onPicture(stream, picture);
  }

  #beginPes(stream: ElementaryStream, randomAccess: boolean, offset: number): void {
    stream.state = 'header';
    stream.pes.reset();
    stream.video?.begin(randomAccess);
    stream.entry = stream.role === 'other' ? { ...stream.entry, offset } : this.#entryAt(offset);
  }

  #openPes(stream: ElementaryStream, pts: number | undefined): void {
    stream.state = stream.video === undefined ? 'idle' : 'payload';
    const { pid, role } = stream;
    const { offset } = stream.entry;
    const time = pts === undefined ? {} : { pts };
    this.#marks.push({ kind: 'pes', offset, pid, isVideo: role === 'video', ...time });
    if (role === 'other') return;
    // A part that begins at no key frame cannot wait for the next one's parameter sets.
    const parameterSets = stream.video?.parameterSets() ?? stream.entry.parameterSets;
    stream.entry = { ...stream.entry, ...time, parameterSets };
    const isCut = role === 'everyPes';
    this.#entries.keep(stream.entry, isCut);
    if (isCut) this.#marks.push({ kind: 'cut', offset, quality: 'idr', ...time });
  }

  #onPicture(stream: ElementaryStream, picture: Picture): void {
    stream.state = 'idle';
    const { offset, pts } = stream.entry;
    if (picture.isOtherCodec) this.#marks.push({ kind: 'change', offset, what: 'codec' });
    if (picture.key === undefined) return;
    this.#parameterSets = picture.isSelfContained
      ? new Uint8Array(0)
      : (stream.video?.parameterSets() ?? new Uint8Array(0));
    this.#entries.keep({ ...stream.entry, parameterSets: this.#parameterSets }, true);
    this.#marks.push({ kind: 'cut', offset, quality: picture.key, ...(pts === undefined ? {} : { pts }) });
  }

  /** Of a place that nobody could foresee the tables are known all the same; its counters take one step. */
  #entryFor(offset: number): Entry | undefined {
    const start = this.#start.offset;
    if (offset === start) return this.#start.entry();
    const known = this.#entries.find(offset) ?? this.#entries.before(offset);
    const isOfSession = offset < start || (known?.offset ?? -Infinity) > start;
    return isOfSession ? known : this.#start.entry();
  }

  get #videoPid(): number | undefined {
    return [...this.#streams.values()].find(({ role }) => role === 'video')?.pid;
  }

  #entryAt(offset: number): Entry {
    return {
      offset,
      tables: this.#program.tables,
      videoPid: this.#videoPid,
      continuity: [...this.#streams.keys(), ...this.#program.pids].map((pid) => [
        pid,
        this.#continuity.get(pid) ?? 15,
      ]),
      parameterSets: this.#parameterSets,
    };
  }
}
