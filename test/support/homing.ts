/** The `homing` command as a process of its own. */
import { execFile } from 'node:child_process';
import path from 'node:path';

export interface HomingResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const launcher = path.join(import.meta.dirname, '../../bin/homing');

/** Runs it to its end. */
export async function runHoming(folder: string, ...args: readonly string[]): Promise<HomingResult> {
  return new Promise((resolve) => {
    execFile(launcher, [...args], { cwd: folder, timeout: 60_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ exitCode: code, stdout, stderr });
    });
  });
}
