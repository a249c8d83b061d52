/** Verified announcements off the local networks: the multicast sockets behind the intake that decides what is worth a look. */
import type { VerifiedAnnouncement } from '../../protocol/announcements.ts';
import type { LiveTrust } from '../trust-directory.ts';
import { Intake, type IntakeDropReason, type IntakeResult } from './intake.ts';
import type { AnnouncedInterface, InterfaceSelection } from './interfaces.ts';
import { type Multicast, openMulticast } from './multicast.ts';

export interface HearingOptions extends InterfaceSelection {
  readonly trust: LiveTrust;
  /** Our own key, so that our own announcements are known as such; nothing for who only listens. */
  readonly ownSpkiSha256?: string;
  /** @param from address of the sender, which anybody on that network can forge */
  onHeard(announcement: VerifiedAnnouncement, from: string): void;
  /** Somebody has our key. */
  onOwnMessage?(detail: string): void;
  onDropped(dropped: {
    readonly reason: IntakeDropReason;
    readonly detail: string;
    readonly from: string;
  }): void;
  onInterfaces?(interfaces: readonly AnnouncedInterface[]): void;
  onProblem?(message: string): void;
}

export interface Hearing extends Multicast {
  /** SPKI hashes of servers whose links speak for them: their datagrams are dropped unread. */
  setLinked(spkiSha256: readonly string[]): void;
}

/** Listens; rejects where UDP 17320 cannot be had. */
export async function openHearing(options: HearingOptions): Promise<Hearing> {
  const filter = new Filter(options);
  const multicast = await openMulticast({
    interfaces: options.interfaces,
    excludeInterfaces: options.excludeInterfaces,
    onDatagram: (bytes, from) => filter.offer(bytes, from),
    onInterfaces: (interfaces) => options.onInterfaces?.(interfaces),
    onProblem: (message) => options.onProblem?.(message),
  });
  return {
    send(messageFor) {
      multicast.send((announced) => {
        const message = messageFor(announced);
        if (message !== undefined) filter.intake.noteSent(message);
        return message;
      });
    },
    interfaces: () => multicast.interfaces(),
    select: (selection) => multicast.select(selection),
    setLinked: (spkiSha256) => filter.intake.setLinked(spkiSha256),
    async close() {
      filter.close();
      await multicast.close();
    },
  };
}

/** The intake with a timer for the end of its window. */
class Filter {
  readonly intake: Intake;
  readonly #options: HearingOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HearingOptions) {
    this.#options = options;
    this.intake = new Intake({ ownSpkiSha256: options.ownSpkiSha256 ?? '', random: Math.random });
  }

  offer(bytes: Uint8Array, from: string): void {
    const result = this.intake.offer(bytes, from, performance.now());
    if (result !== undefined) this.#pass(result);
    this.#wait();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #take(): void {
    this.#timer = undefined;
    const { current } = this.#options.trust;
    for (const result of this.intake.take(performance.now(), Date.now(), current)) this.#pass(result);
    this.#wait();
  }

  #wait(): void {
    const { dueAtMs } = this.intake;
    if (this.#timer !== undefined || dueAtMs === undefined) return;
    // Rounded up: a timer that fires early would look too soon, and again and again.
    this.#timer = setTimeout(() => this.#take(), Math.max(1, Math.ceil(dueAtMs - performance.now())));
  }

  #pass(result: IntakeResult): void {
    if (result.kind === 'verified') this.#options.onHeard(result.announcement, result.from);
    else if (result.kind === 'ownMessage') this.#options.onOwnMessage?.(result.detail);
    else this.#options.onDropped(result);
  }
}
