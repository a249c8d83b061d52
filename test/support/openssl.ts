/** The real openssl, on files of a folder of the test's own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface OpensslFolder {
  /** Writes a file and gives its path. */
  file(name: string, content: string | Uint8Array): string;
  run(...args: readonly string[]): OpensslResult;
  [Symbol.dispose](): void;
}

export interface OpensslResult {
  readonly isGood: boolean;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** The first `error N at D depth lookup: WHY`, as `N WHY`. */
  readonly verifyError: string | undefined;
}

export function openOpensslFolder(): OpensslFolder {
  const folder = mkdtempSync(path.join(tmpdir(), 'homing-openssl-'));
  return {
    file(name, content) {
      const file = path.join(folder, name);
      writeFileSync(file, content, { mode: 0o600 });
      return file;
    },
    run(...args) {
      const { status, stdout, stderr } = spawnSync('openssl', args, { cwd: folder });
      const text = `${stderr.toString()}\n${stdout.toString('latin1')}`;
      const error = /error (\d+) at \d+ depth lookup: (.*)/.exec(text);
      const verifyError = error === null ? undefined : `${error[1]} ${error[2]}`;
      return { isGood: status === 0, stdout, stderr: stderr.toString(), verifyError };
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true });
    },
  };
}
