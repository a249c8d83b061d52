/** What the files of an agent say, applied while it runs: what is wrong is said, and what held before it goes on holding. */
import type { EmitEvent } from '../events.ts';
import { ConfigError } from '../../crds/config-error.ts';
import { type FileWatch, watchFiles } from './file-watch.ts';
import { readDenied, readResources } from './resource-files.ts';
import type { Resources } from './resources.ts';

/** Whether the agent does what its files say. */
export interface ConfigurationStatus {
  /** False: `problem` says what is wrong, and what was read before holds. */
  readonly isCurrent: boolean;
  /** When what holds was taken; RFC 3339. */
  readonly time: string;
  readonly problem?: string;
}

export interface LiveConfigurationOptions {
  /** `--resources`. */
  readonly resources: string;
  /** Certificates and keys, files or folders: they count as changed with the resources. */
  readonly certificates: readonly string[];
  /** What `lookAtFiles` gave for all of them before they were read first. */
  readonly firstLook: string;
  /** Does from now on what they say; resolves with the cameras that it bridges. Changes nothing where it rejects with ConfigError. */
  apply(resources: Resources): Promise<number>;
  /** Denies these too from now on (SHA-256 of an SPKI, or an identifier, one a line), though what they stand beside is wrong. */
  deny(denyText: string): Promise<void>;
  readonly emit: EmitEvent;
}

export class LiveConfiguration {
  readonly #options: LiveConfigurationOptions;
  readonly #watch: FileWatch;
  #status: ConfigurationStatus = { isCurrent: true, time: new Date().toISOString() };

  constructor(options: LiveConfigurationOptions) {
    this.#options = options;
    const { resources, certificates, firstLook } = options;
    this.#watch = watchFiles({
      places: [resources, ...certificates],
      firstLook,
      onChange: () => this.#reload(),
    });
  }

  get status(): ConfigurationStatus {
    return this.#status;
  }

  /** Nothing is applied any more once this resolves. */
  async close(): Promise<void> {
    await this.#watch.close();
  }

  async #reload(): Promise<void> {
    const { resources, emit } = this.#options;
    try {
      const clients = await this.#options.apply(await readResources(resources));
      this.#status = { isCurrent: true, time: new Date().toISOString() };
      emit({ event: 'configured', clients });
    } catch (error) {
      const problem = describe(error);
      this.#status = { isCurrent: false, time: this.#status.time, problem };
      const message = `${problem}\nWhat was configured before goes on.`;
      emit({ event: 'warning', reason: 'ConfigurationRefused', message });
      await this.#options.deny(await readDenied(resources));
    }
  }
}

/** Whatever goes wrong with new files, the agent that runs goes on. */
function describe(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  return `reading the configuration anew: ${error instanceof Error ? error.message : 'it failed'}`;
}
