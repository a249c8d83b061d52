/** The demo's processes and what is shown of them. */
import type { AgentEvent } from '../agent/events.ts';
import type { DemoServer } from './demo-home.ts';
import { DemoProcess } from './demo-process.ts';
import { type DemoServerState, DemoView } from './demo-view.ts';
import { printJson } from './output.ts';

export interface Refusal {
  /** Who refused. */
  readonly by: string;
  /** A reason out of the protocol's closed list. */
  readonly reason: string;
}

/** Starts servers, tells the story, and ends everything in the order in which it was started. */
export class DemoStage {
  readonly #json: boolean;
  readonly #view: DemoView;
  readonly #processes: DemoProcess[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: { readonly json: boolean }) {
    this.#json = options.json;
    this.#view = new DemoView(!options.json && process.stdout.isTTY);
  }

  start(server: DemoServer): DemoProcess {
    const started = new DemoProcess(server.name, server.args, (event) => this.#tell(server.name, event));
    this.#processes.push(started);
    this.#view.server({ ...server, state: 'running' });
    return started;
  }

  /** A sentence for people; programs read the events. */
  say(sentence: string): void {
    if (!this.#json) this.#view.say(sentence);
  }

  show(server: DemoServer, state: DemoServerState): void {
    this.#view.server({ ...server, state });
  }

  /** Every event of every process so far that `matches`. */
  eventsOf<Event extends AgentEvent>(
    matches: (event: AgentEvent) => event is Event,
  ): readonly (Event & { by: string })[] {
    return this.#processes.flatMap(({ name, events }) =>
      events.filter(matches).map((event) => ({ ...event, by: name })),
    );
  }

  /** Ends the processes, cameras (the first process) before servers. May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.#stopAll();
    return this.#closing;
  }

  async #stopAll(): Promise<void> {
    this.#view.end();
    for (const running of this.#processes) await running.stop();
  }

  #tell(by: string, event: AgentEvent): void {
    if (this.#json) printJson({ ...event, by });
    else this.#view.follow(event);
  }
}
