/** What a person sees of the demo: a live table on a terminal, plain lines elsewhere. */
import type { AgentEvent } from '../agent/events.ts';
import { paint, printLine } from './output.ts';

export type DemoServerState = 'running' | 'refused' | 'stopped';

export interface DemoServerRow {
  readonly name: string;
  readonly features: readonly string[];
  readonly max: number;
  readonly state: DemoServerState;
}

/** A model of the story as far as the events have told it, and its drawing. */
export class DemoView {
  readonly #live: boolean;
  readonly #servers = new Map<string, DemoServerRow>();
  readonly #cameras = new Map<string, { server: string; moves: number }>();
  #drawnLines = 0;

  /** @param live true where stdout is a terminal that can be drawn over */
  constructor(live: boolean) {
    this.#live = live;
  }

  server(row: DemoServerRow): void {
    this.#servers.set(row.name, row);
    this.#draw();
  }

  /** A sentence of the story; stays on the screen above the table. */
  say(sentence: string): void {
    this.#erase();
    printLine(sentence);
    this.#draw();
  }

  /** Follows where each camera is. */
  follow(event: AgentEvent): void {
    if (event.event === 'connected') {
      this.#cameras.set(event.client, {
        server: event.to,
        moves: this.#cameras.get(event.client)?.moves ?? 0,
      });
      this.#draw();
    } else if (event.event === 'handedOver') {
      const moves = (this.#cameras.get(event.client)?.moves ?? 0) + 1;
      this.#cameras.set(event.client, { server: event.to, moves });
      this.say(handoverSentence(event));
    }
  }

  /** Takes the table off the screen for good. */
  end(): void {
    this.#erase();
    this.#servers.clear();
    this.#cameras.clear();
  }

  #draw(): void {
    if (!this.#live || this.#servers.size === 0) return;
    this.#erase();
    const lines = ['', ...this.#serverLines(), '', ...this.#cameraLines(), ''];
    process.stdout.write(`${lines.join('\n')}\n`);
    this.#drawnLines = lines.length;
  }

  #erase(): void {
    if (this.#drawnLines === 0) return;
    process.stdout.write(`\x1b[${this.#drawnLines}A\x1b[0J`);
    this.#drawnLines = 0;
  }

  #serverLines(): string[] {
    const rows = [...this.#servers.values()].map((row) => {
      const clients = [...this.#cameras.values()].filter((camera) => camera.server === row.name).length;
      const state =
        row.state === 'running' ? paint('green', '●') : paint('red', row.state === 'refused' ? '✗' : '○');
      const note = row.state === 'refused' ? paint('red', 'not signed by your CA') : row.features.join(', ');
      return `  ${state} ${row.name.padEnd(12)}${`${clients} of ${row.max}`.padEnd(12)}${note}`;
    });
    return [paint('dim', `    ${'server'.padEnd(12)}${'cameras'.padEnd(12)}features`), ...rows];
  }

  #cameraLines(): string[] {
    const rows = [...this.#cameras].map(
      ([name, camera]) => `    ${name.padEnd(20)}${paint('cyan', camera.server.padEnd(12))}${camera.moves}`,
    );
    return [paint('dim', `    ${'camera'.padEnd(20)}${'is on'.padEnd(12)}moves`), ...rows];
  }
}

function handoverSentence(event: AgentEvent & { event: 'handedOver' }): string {
  const lost =
    event.framesLost === 0
      ? paint('green', '0 frames lost')
      : paint('red', `${event.framesLost} frames lost`);
  return `  ${event.client}: ${event.from} → ${event.to} in ${event.milliseconds} ms, ${lost}`;
}
