/** What an agent remembers of its events for `homing status`: the last handovers, and the state of each source. */
import type { AgentEvent, Untimed } from './events.ts';

type HandedOver = Extract<AgentEvent, { readonly event: 'handedOver' }>;
type SourceState = Omit<Extract<AgentEvent, { readonly event: 'source' }>, 'event' | 'client'>;

/** Enough to see a bad night at a glance; memory stays bounded. */
const keptHandovers = 50;

export class History {
  #handovers: readonly HandedOver[] = [];
  readonly #sources = new Map<string, SourceState>();

  /** @param nowMs Unix time of the event */
  take(event: Untimed, nowMs: number): void {
    const time = new Date(nowMs).toISOString();
    if (event.event === 'handedOver') {
      this.#handovers = [...this.#handovers, { ...event, time }].slice(-keptHandovers);
    } else if (event.event === 'source') {
      const { ready, reason, message } = event;
      this.#sources.set(event.client, { ready, reason, message, time });
    }
  }

  /** Oldest first. */
  get handovers(): readonly HandedOver[] {
    return this.#handovers;
  }

  sourceOf(client: string): SourceState | undefined {
    return this.#sources.get(client);
  }
}
