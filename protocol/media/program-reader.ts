/** Follows PAT and PMT: which streams the first program of a transport stream has. */
import { nullPid, type PacketHeader } from './mpegts.ts';
import { isSameTable, parsePat, parsePmt, patPid, type Program, SectionReader } from './psi.ts';
import type { Tables } from './ts-entries.ts';

/** A PMT that is not the one before. */
export interface ProgramChange {
  readonly program: Program;
  /** Where the first packet of its section begins. */
  readonly offset: number;
  readonly isFirst: boolean;
}

/** Several programs (a broadcast multiplex) are read as their first one; the others' packets go along unread. */
export class ProgramReader {
  readonly #patSections = new SectionReader();
  readonly #pmtSections = new SectionReader();
  #pat: Uint8Array | undefined;
  #pmtPid: number | undefined;
  #tables: Tables | undefined;
  /** Where the PMT section that is being gathered began. */
  #pmtOffset = 0;

  /** PAT and PMT as last seen whole. */
  get tables(): Tables | undefined {
    return this.#tables;
  }

  get pids(): readonly number[] {
    return this.#pmtPid === undefined ? [patPid] : [patPid, this.#pmtPid];
  }

  isTablePid(pid: number): boolean {
    return pid === patPid || pid === this.#pmtPid;
  }

  /** A packet of this PID was lost. */
  lose(pid: number): void {
    (pid === patPid ? this.#patSections : this.#pmtSections).reset();
  }

  /** Takes the payload of a packet on a table PID. */
  push(header: PacketHeader, bytes: Uint8Array, offset: number): ProgramChange | undefined {
    const { pid, isStart, payloadAt, payloadEnd } = header;
    if (pid === patPid) {
      for (const section of this.#patSections.push(bytes, payloadAt, payloadEnd, isStart))
        this.#onPat(section);
      return undefined;
    }
    if (isStart) this.#pmtOffset = offset;
    let change: ProgramChange | undefined;
    for (const section of this.#pmtSections.push(bytes, payloadAt, payloadEnd, isStart)) {
      change = this.#onPmt(pid, section) ?? change;
    }
    return change;
  }

  #onPat(section: Uint8Array): void {
    const pid = parsePat(section);
    if (pid === undefined || !isFreePid(pid)) return;
    this.#pat = section;
    if (pid !== this.#pmtPid) this.#pmtSections.reset();
    this.#pmtPid = pid;
  }

  #onPmt(pmtPid: number, pmt: Uint8Array): ProgramChange | undefined {
    const program = parsePmt(pmt);
    if (program === undefined || this.#pat === undefined) return undefined;
    const old = this.#tables;
    this.#tables = { pat: this.#pat, pmtPid, pmt };
    if (old !== undefined && old.pmtPid === pmtPid && isSameTable(old.pmt, pmt)) return undefined;
    return { program, offset: this.#pmtOffset, isFirst: old === undefined };
  }
}

/** PIDs below 16 are the standard's own tables, and the last is for stuffing. */
export function isFreePid(pid: number): boolean {
  return pid >= 0x10 && pid !== nullPid;
}
