/** Makes small transport streams for tests: any tables, any PES packets, right counters. */
import { packetBytes } from '../../protocol/media/mpegts.ts';
import { encodeTimestamp } from '../../protocol/media/pes.ts';
import { crc32Mpeg } from '../../protocol/media/psi.ts';
import { encodePackets } from '../../protocol/media/ts-encode.ts';

export interface PesSpec {
  readonly pid: number;
  readonly payload: Uint8Array;
  readonly pts?: number;
  readonly randomAccess?: boolean;
  /** 0xe0 (video) where absent. */
  readonly streamId?: number;
}

export class TransportStreamBuilder {
  readonly #parts: Uint8Array[] = [];
  readonly #counters = new Map<number, number>();
  #length = 0;

  /** Where the next packet begins. */
  get length(): number {
    return this.#length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return this;
  }

  /** A payload over packets, with the next counters of its PID. */
  payload(pid: number, payload: Uint8Array, stuffing: 'payload' | 'field'): this {
    const counter = this.#counters.get(pid) ?? 15;
    const packets = encodePackets(pid, counter, payload, stuffing);
    this.#counters.set(pid, (counter + packets.length / packetBytes) & 15);
    return this.raw(packets);
  }

  /** Forgets a PID's counter steps: as if `count` packets had been lost. */
  skip(pid: number, count: number): this {
    this.#counters.set(pid, ((this.#counters.get(pid) ?? 15) + count) & 15);
    return this;
  }

  /** @param streams `[pid, stream_type]`; @param version of the PMT */
  tables(streams: readonly (readonly [number, number])[], { pmtPid = 0x1000, version = 0 } = {}): this {
    this.payload(0, pointed(patSection(pmtPid)), 'payload');
    return this.payload(pmtPid, pointed(pmtSection(streams, version)), 'payload');
  }

  pes({ pid, payload, pts, randomAccess = false, streamId = 0xe0 }: PesSpec): this {
    const stamp = pts === undefined ? new Uint8Array(0) : encodeTimestamp(pts, 2);
    const flags = pts === undefined ? 0 : 0x80;
    const head = Uint8Array.of(0, 0, 1, streamId, 0, 0, 0x80, flags, stamp.length);
    const start = this.#parts.length;
    this.payload(pid, Buffer.concat([head, stamp, payload]), 'field');
    const first = this.#parts[start];
    if (randomAccess && first !== undefined) this.#parts[start] = withRandomAccess(first);
    return this;
  }
}

/** A section behind its pointer_field. */
export function pointed(section: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(0), section]);
}

export function patSection(pmtPid: number): Uint8Array {
  return withCrc([0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | (pmtPid >> 8), pmtPid & 0xff]);
}

/** @param descriptorBytes filler behind each stream, to make a section that needs several packets */
export function pmtSection(
  streams: readonly (readonly [number, number])[],
  version = 0,
  descriptorBytes = 0,
): Uint8Array {
  const body = streams.flatMap(([pid, type]) => [
    type,
    0xe0 | (pid >> 8),
    pid & 0xff,
    0xf0 | (descriptorBytes >> 8),
    descriptorBytes & 0xff,
    ...Array.from({ length: descriptorBytes }, () => 0x11),
  ]);
  const length = 13 + body.length;
  const pcr = streams[0]?.[0] ?? 0x1fff;
  const head = [2, 0xb0 | (length >> 8), length & 0xff, 0, 1, 0xc1 | (version << 1), 0, 0];
  return withCrc([...head, 0xe0 | (pcr >> 8), pcr & 0xff, 0xf0, 0, ...body]);
}

/** Annex B with four-byte start codes. */
export function annexB(...nals: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from(nals.flatMap((nal) => [0, 0, 0, 1, ...nal]));
}

/** H.264 NAL units that are enough for a parser: not a picture that decodes. */
export const nal = {
  delimiter: [0x09, 0xf0],
  sps: [0x67, 66, 0xc0, 40, 0xda, 0x11, 0x22],
  otherSps: [0x67, 66, 0xc0, 40, 0xda, 0x33, 0x44],
  pps: [0x68, 0xce, 0x3c, 0x80],
  otherPps: [0x68, 0xce, 0x3d, 0x90],
  recoveryPoint: [0x06, 6, 1, 0xc4, 0x80],
  idr: [0x65, 0x88, 0x84, 0x21, 0x33, 0x44],
  /** first_mb_in_slice 0, slice_type 7: intra. */
  intra: [0x41, 0x88, 0x84, 0x21, 0x33, 0x44],
  /** slice_type 5: inter. */
  inter: [0x41, 0x9a, 0x24, 0x21, 0x33, 0x44],
  /** Another slice of the same IDR picture. */
  idrSlice: [0x65, 0x42, 0x84, 0x21, 0x33, 0x44],
} as const;

/** H.265 NAL units, in the same way. */
export const hevcNal = {
  delimiter: [0x46, 0x01, 0x50],
  vps: [0x40, 0x01, 0x0c, 0x01, 0xff, 0xff],
  /** One sub-layer: the id, 0, is behind twelve bytes of profile and level. */
  sps: [0x42, 0x01, 0x01, ...Array.from({ length: 12 }, () => 0x60), 0xa0, 0x11],
  otherSps: [0x42, 0x01, 0x01, ...Array.from({ length: 12 }, () => 0x60), 0xa0, 0x22],
  pps: [0x44, 0x01, 0xc1, 0x72],
  otherPps: [0x44, 0x01, 0xc1, 0x73],
  recoveryPoint: [0x4e, 0x01, 6, 1, 0xc4, 0x80],
  /** Messages that go behind the picture. */
  suffix: [0x50, 0x01, 132, 1, 0xc4, 0x80],
  /** IDR_N_LP, first slice of its picture. */
  idr: [0x28, 0x01, 0xaf, 0x33, 0x44],
  /** Another slice of it. */
  idrSlice: [0x28, 0x01, 0x2f, 0x33, 0x44],
  idrWithLeading: [0x26, 0x01, 0xaf, 0x33, 0x44],
  bla: [0x20, 0x01, 0xaf, 0x33, 0x44],
  cra: [0x2a, 0x01, 0xaf, 0x33, 0x44],
  /** RASL_N: shown only where what is before the CRA is there. */
  leading: [0x10, 0x01, 0xe0, 0x33, 0x44],
  inter: [0x02, 0x01, 0xe0, 0x33, 0x44],
  /** The same picture in layer 1. */
  secondLayer: [0x02, 0x09, 0xe0, 0x33, 0x44],
  end: [0x48, 0x01],
} as const;

function withCrc(bytes: readonly number[]): Uint8Array {
  const section = Buffer.alloc(bytes.length + 4);
  section.set(bytes);
  section.writeUInt32BE(crc32Mpeg(Uint8Array.from(bytes)), bytes.length);
  return section;
}

/** Sets random_access_indicator in the first packet, which has room for it only if its payload was short or is cut here. */
function withRandomAccess(packets: Uint8Array): Uint8Array {
  const first = packets.subarray(0, packetBytes);
  const hasField = ((first[3] ?? 0) & 0x20) !== 0;
  if (!hasField || (first[4] ?? 0) < 1) throw new Error('test stream: no room for an adaptation field');
  first[5] = (first[5] ?? 0) | 0x40;
  return packets;
}
