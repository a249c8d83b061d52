/** How the launcher `bin/homing` starts Node, for where there is no shell to run it: that script stays the one source. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';

export interface Launch {
  readonly nodeFlags: readonly string[];
  /** UV_THREADPOOL_SIZE and the like. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Reads the launcher; throws where it no longer looks as expected. */
export async function readLaunch(top: string): Promise<Launch> {
  const script = await readFile(path.join(top, 'bin/homing'), 'utf8');
  const flags = /^exec "\$node" (--.*) "\$main" "\$@"$/m.exec(script)?.[1];
  const variables = Object.fromEntries(
    [...script.matchAll(/^([A-Z_]+)=\$\{\1:-(\d+)\}$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
  if (flags === undefined || variables['UV_THREADPOOL_SIZE'] === undefined)
    throw new Error(
      'bin/homing: there is no line `exec "$node" FLAGS "$main" "$@"`, or none of UV_THREADPOOL_SIZE',
    );
  return { nodeFlags: flags.split(' '), variables };
}
