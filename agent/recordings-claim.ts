/** Keeps a second agent of this machine from a folder of recordings: it would cut back what the first one is writing. */
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { type Server, createServer } from 'node:net';
import { ConfigError } from '../crds/config-error.ts';

/**
 * The claim is a socket without a file, named by the folder's device and inode: it ends with its process, however that
 * ends, needs nothing of the file system, and holds for who shares our network namespace.
 *
 * @see unix(7), abstract sockets
 */
export class RecordingsClaim {
  #server: Server | undefined;

  /** @throws ConfigError where another agent has the folder */
  async take(directory: string): Promise<void> {
    const { dev, ino } = await stat(directory);
    const server = createServer((caller) => caller.destroy());
    try {
      server.listen(`\0homing-recordings-${dev}-${ino}`);
      await once(server, 'listening');
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'EADDRINUSE') throw error;
      const message = 'another agent records there: give each agent a --recordings folder of its own';
      throw new ConfigError({ file: directory, message }, { cause: error });
    }
    server.unref();
    this.#server = server;
  }

  close(): void {
    this.#server?.close();
  }
}
