/** Makes the packets that go before transport stream bytes that do not continue what was there before. */
import { encodeTimestamp } from './pes.ts';
import { encodeDiscontinuity, encodePackets } from './ts-encode.ts';
import { patPid } from './psi.ts';
import type { Entry } from './ts-entries.ts';

/**
 * PAT, PMT, parameter sets if the stream's key frames lack them, and before them on each PID a packet that allows the jump.
 * Counters are chosen so that the stream's own packets follow without a step. Empty while no PMT is known.
 */
export function encodePreamble(entry: Entry): Uint8Array {
  const { tables } = entry;
  if (tables === undefined) return new Uint8Array(0);
  const payloads = new Map<number, Uint8Array>(entry.continuity.map(([pid]) => [pid, new Uint8Array(0)]));
  payloads.set(patPid, pointed(tables.pat));
  payloads.set(tables.pmtPid, pointed(tables.pmt));
  if (entry.videoPid !== undefined && entry.parameterSets.length > 0) {
    payloads.set(entry.videoPid, pesOf(entry.parameterSets, entry.pts));
  }
  const counters = new Map(entry.continuity);
  const tablesFirst = [
    patPid,
    tables.pmtPid,
    ...[...payloads.keys()].filter((pid) => pid !== patPid && pid !== tables.pmtPid),
  ];
  return Buffer.concat(
    tablesFirst.map((pid) => {
      const payload = payloads.get(pid) ?? new Uint8Array(0);
      const count = Math.ceil(payload.length / 184);
      const before = ((counters.get(pid) ?? 15) - count) & 0x0f;
      const stuffing = pid === entry.videoPid ? 'field' : 'payload';
      return Buffer.concat([encodeDiscontinuity(pid, before), encodePackets(pid, before, payload, stuffing)]);
    }),
  );
}

/** A section with its pointer_field: it begins with the payload. */
function pointed(section: Uint8Array): Uint8Array {
  const payload = new Uint8Array(section.length + 1);
  payload.set(section, 1);
  return payload;
}

/** A video PES packet of its own, of the time of the picture that follows. */
function pesOf(payload: Uint8Array, pts: number | undefined): Uint8Array {
  const stamp = pts === undefined ? new Uint8Array(0) : encodeTimestamp(pts, 2);
  const flags = pts === undefined ? 0 : 0x80;
  return Buffer.concat([Uint8Array.of(0, 0, 1, 0xe0, 0, 0, 0x80, flags, stamp.length), stamp, payload]);
}
