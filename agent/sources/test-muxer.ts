/** The test camera's transport stream: one program, one video PID that also carries the clock. */
import { packetBytes, syncByte } from '../../protocol/media/mpegts.ts';
import { encodeTimestamp, ptsWrap } from '../../protocol/media/pes.ts';
import { crc32Mpeg, patPid } from '../../protocol/media/psi.ts';
import { encodePackets } from '../../protocol/media/ts-encode.ts';

const testPmtPid = 0x1000;
const testVideoPid = 0x100;
/** The clock runs so far ahead of a picture's time: 100 ms at 90 kHz. */
const clockLead = 9000;
const bodyBytes = packetBytes - 4;

const pat = section([0x00, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | (testPmtPid >> 8), testPmtPid & 0xff]);
const videoReference = [0xe0 | (testVideoPid >> 8), testVideoPid & 0xff];
const pmt = section([
  2,
  0xb0,
  18,
  0,
  1,
  0xc1,
  0,
  0,
  ...videoReference,
  0xf0,
  0,
  0x1b,
  ...videoReference,
  0xf0,
  0,
]);

/** Packs access units, with PAT and PMT before each key frame. */
export class TestMuxer {
  readonly #counters = new Map<number, number>();

  /** @param pts of the picture, 90 kHz, 33 bits; it is decoded when it is shown */
  mux(accessUnit: Uint8Array, pts: number, isKey: boolean): Buffer {
    const tables = isKey ? [this.#table(patPid, pat), this.#table(testPmtPid, pmt)] : [];
    // Length 0: a video PES packet may be longer than 16 bits can say.
    const header = Buffer.of(0, 0, 1, 0xe0, 0, 0, 0x84, 0x80, 5);
    const pes = Buffer.concat([header, encodeTimestamp(pts, 2), accessUnit]);
    return Buffer.concat([...tables, this.#packets(pes, clockField(pts, isKey))]);
  }

  #table(pid: number, payload: Uint8Array): Uint8Array {
    const counter = this.#counters.get(pid) ?? 15;
    this.#counters.set(pid, (counter + 1) & 0x0f);
    return encodePackets(pid, counter, payload, 'payload');
  }

  /** The first packet begins with `field`, the last is filled by one. */
  #packets(pes: Buffer, field: Buffer): Buffer {
    const firstBytes = Math.min(bodyBytes - field.length, pes.length);
    const stuffing = Buffer.alloc(bodyBytes - field.length - firstBytes, 0xff);
    const counter = ((this.#counters.get(testVideoPid) ?? 15) + 1) & 0x0f;
    const rest = encodePackets(testVideoPid, counter, pes.subarray(firstBytes), 'field');
    this.#counters.set(testVideoPid, (counter + rest.length / packetBytes) & 0x0f);
    const header = Buffer.of(syncByte, 0x40 | (testVideoPid >> 8), testVideoPid & 0xff, 0x30 | counter);
    field[0] = (field[0] ?? 0) + stuffing.length;
    // encodePackets marks its first packet as a start; here the start is already sent.
    if (rest.length > 0) rest[1] = (rest[1] ?? 0) & ~0x40;
    return Buffer.concat([header, field, stuffing, pes.subarray(0, firstBytes), rest]);
  }
}

/** An adaptation field with the clock, and random_access_indicator for a key frame. */
function clockField(pts: number, isKey: boolean): Buffer {
  const clock = (pts - clockLead + ptsWrap) % ptsWrap;
  const field = Buffer.alloc(8);
  field[0] = 7;
  field[1] = isKey ? 0x50 : 0x10;
  field.writeUInt32BE(Math.floor(clock / 2), 2);
  field[6] = ((clock % 2) << 7) | 0x7e;
  return field;
}

/** A section behind its pointer_field, with its CRC. */
function section(bytes: readonly number[]): Buffer {
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32Mpeg(Uint8Array.from(bytes)));
  return Buffer.concat([Buffer.of(0), Uint8Array.from(bytes), crc]);
}
