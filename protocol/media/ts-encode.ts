/** Writes transport stream packets. @see ISO/IEC 13818-1 2.4.3.2 to 2.4.3.5 */
import { packetBytes, syncByte } from './mpegts.ts';

const bodyBytes = packetBytes - 4;

/** A packet without payload that says: what comes next on this PID need not continue. */
export function encodeDiscontinuity(pid: number, counter: number): Uint8Array {
  const packet = new Uint8Array(packetBytes).fill(0xff);
  packet.set([syncByte, pid >> 8, pid & 0xff, 0x20 | counter, bodyBytes - 1, 0x80]);
  return packet;
}

/**
 * A payload over as many packets as it needs, the first with payload_unit_start_indicator.
 *
 * @param counter the continuity counter before the first packet
 * @param stuffing how the last packet is filled: sections end in 0xff, PES packets begin behind an adaptation field
 */
export function encodePackets(
  pid: number,
  counter: number,
  payload: Uint8Array,
  stuffing: 'payload' | 'field',
): Uint8Array {
  const count = Math.ceil(payload.length / bodyBytes);
  const packets = new Uint8Array(count * packetBytes).fill(0xff);
  for (let index = 0; index < count; index += 1) {
    const at = index * packetBytes;
    const body = payload.subarray(index * bodyBytes, (index + 1) * bodyBytes);
    const spare = stuffing === 'field' ? bodyBytes - body.length : 0;
    const start = index === 0 ? 0x40 : 0;
    packets.set(
      [syncByte, start | (pid >> 8), pid & 0xff, (spare > 0 ? 0x30 : 0x10) | ((counter + 1 + index) & 0x0f)],
      at,
    );
    if (spare > 0) packets[at + 4] = spare - 1;
    if (spare > 1) packets[at + 5] = 0;
    packets.set(body, at + 4 + spare);
  }
  return packets;
}
