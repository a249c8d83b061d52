/**
 * What a server listens to: of all datagrams the few that are worth a signature check. Cheap things first; every datagram ends
 * verified or dropped for one reason. Pure: time, randomness and trust come in.
 */
import { hash } from 'node:crypto';
import {
  type AnnouncementDropReason,
  type VerifiedAnnouncement,
  announcementDropReasons,
  maxDatagramBytes,
  peekAnnouncement,
  verifyAnnouncement,
} from '../../protocol/announcements.ts';
import { LeafCache } from '../../protocol/certificates.ts';
import { glanceAtKey } from '../../protocol/cms-glance.ts';
import type { TrustSet } from '../../protocol/trust.ts';
import { DatagramLottery } from './intake-lottery.ts';
import { RecentHashes } from './intake-recent.ts';

/** Why a datagram is dropped; a closed list, each counted, documented and tested. */
export const intakeDropReasons = [
  'first-bytes',
  'seen',
  'own',
  'linked-peer',
  'budget',
  ...announcementDropReasons,
] as const;

export type IntakeDropReason =
  | 'first-bytes'
  | 'seen'
  | 'own'
  | 'linked-peer'
  | 'budget'
  | AnnouncementDropReason;

/** What became of a datagram. */
export type IntakeResult =
  | { readonly kind: 'verified'; readonly announcement: VerifiedAnnouncement; readonly from: string }
  /** Signed by our own key, verified, and not sent by us. */
  | { readonly kind: 'ownMessage'; readonly detail: string; readonly from: string }
  | {
      readonly kind: 'dropped';
      readonly reason: IntakeDropReason;
      readonly detail: string;
      readonly from: string;
    };

export interface IntakeOptions {
  readonly ownSpkiSha256: string;
  /** From 0 inclusive to 1 exclusive: who is picked out of a flood. */
  readonly random: () => number;
}

/** A datagram that is worth a place in the lottery. */
interface Ticket {
  readonly datagram: Uint8Array;
  readonly datagramHash: string;
  readonly from: string;
}

/** The smallest that can hold a certificate and a signature; ours are about 1,090 bytes. */
const leastBytes = 256;
const ownCheckIntervalMs = 1000;
const sequenceTag = 0x30;
const twoByteLength = 0x82;

export class Intake {
  readonly #options: IntakeOptions;
  readonly #lottery: DatagramLottery<Ticket>;
  readonly #leafs = new LeafCache();
  /** What was looked at, whatever it was: the same bytes cost one hash. */
  readonly #seen = new RecentHashes(2048);
  readonly #sent = new RecentHashes(64);
  #linked: ReadonlySet<string> = new Set();
  #ownCheckedAtMs = -Infinity;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#lottery = new DatagramLottery(options.random);
  }

  /** Our own messages come back from each network: these are ours. */
  noteSent(message: Uint8Array): void {
    this.#sent.add(hashOf(message));
  }

  /** SPKI hashes of the confirmed peers: links speak for them, and the budget is small while there is one. */
  setLinked(spkiSha256: readonly string[]): void {
    this.#linked = new Set(spkiSha256);
    this.#lottery.isQuiet = spkiSha256.length > 0;
  }

  /** When `take` has something to do; undefined while nothing waits. */
  get dueAtMs(): number | undefined {
    return this.#lottery.dueAtMs;
  }

  /**
   * Takes one datagram. Under a flood nearly all of them end here, so this looks at the claimed key only and makes little
   * garbage: about 2 µs, where reading the message costs 4 and as much again in the garbage collector.
   *
   * @returns why some datagram was dropped, this one or the one whose place it took; undefined where all wait for `take`
   */
  offer(datagram: Uint8Array, from: string, nowMs: number): IntakeResult | undefined {
    if (!looksLikeOurs(datagram)) return dropped('first-bytes', 'not a DER sequence of that length', from);
    const leaf = claimedLeaf(datagram);
    if (this.#linked.has(leaf)) return linkedPeer(from);
    const datagramHash = hashOf(datagram);
    if (this.#sent.has(datagramHash)) return dropped('own', 'our own message', from);
    if (this.#seen.has(datagramHash)) return dropped('seen', 'the same bytes again', from);
    if (leaf === this.#options.ownSpkiSha256 && !this.#mayCheckOwn(nowMs)) {
      return dropped('own', 'under our own key, too soon after the last', from);
    }
    const loser = this.#lottery.enter({ leaf, ticket: { datagram, datagramHash, from } }, nowMs);
    return loser === undefined ? undefined : dropped('budget', 'too many at once', loser.from);
  }

  /** Verifies those that were picked. Call it at `dueAtMs`; at most 80 signature checks, about 9 ms. */
  take(nowMs: number, unixMs: number, trust: TrustSet): readonly IntakeResult[] {
    const { winners, losers } = this.#lottery.draw(nowMs);
    return [
      ...losers.map(({ from }) => dropped('budget', 'too many at once', from)),
      ...winners.map((ticket) => this.#verify(ticket, unixMs, trust)),
    ];
  }

  #verify({ datagram, datagramHash, from }: Ticket, unixMs: number, trust: TrustSet): IntakeResult {
    if (this.#seen.has(datagramHash)) return dropped('seen', 'the same bytes again', from);
    const peeked = peekAnnouncement(datagram, maxDatagramBytes.ipv4);
    if (!peeked.ok) return dropped(peeked.reason, peeked.detail, from);
    const leaf = peeked.value.leafSpkiSha256;
    // What was glanced at is the first certificate's key, and what was linked then may be linked only now.
    if (this.#linked.has(leaf)) return linkedPeer(from);
    this.#seen.add(datagramHash);
    const verified = verifyAnnouncement(peeked.value, trust, unixMs, this.#leafs);
    if (!verified.ok) return dropped(verified.reason, verified.detail, from);
    if (leaf === this.#options.ownSpkiSha256) {
      return { kind: 'ownMessage', detail: `${from} announces with our own key what we did not send`, from };
    }
    this.#lottery.know(leaf);
    return { kind: 'verified', announcement: verified.value, from };
  }

  #mayCheckOwn(nowMs: number): boolean {
    if (nowMs < this.#ownCheckedAtMs + ownCheckIntervalMs) return false;
    this.#ownCheckedAtMs = nowMs;
    return true;
  }
}

/** A DER SEQUENCE with a two-byte length that is the datagram's. */
function looksLikeOurs(bytes: Uint8Array): boolean {
  if (bytes.length < leastBytes || bytes[0] !== sequenceTag || bytes[1] !== twoByteLength) return false;
  return ((bytes[2] ?? 0) << 8) + (bytes[3] ?? 0) + 4 === bytes.length;
}

/** SHA-256 of the key that it seems to be signed by, as `leafSpkiSha256`; empty where there is none in its place. */
function claimedLeaf(datagram: Uint8Array): string {
  const key = glanceAtKey(datagram);
  return key === undefined ? '' : hash('sha256', key, 'hex');
}

function hashOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'base64');
}

function linkedPeer(from: string): IntakeResult {
  return dropped('linked-peer', 'its link speaks for it', from);
}

function dropped(reason: IntakeDropReason, detail: string, from: string): IntakeResult {
  return { kind: 'dropped', reason, detail, from };
}
