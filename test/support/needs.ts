/** Tests that need parts of the machine: skipped with a line that says why, and under CI run (and so fail) anyway. */
import { spawnSync } from 'node:child_process';
import { describe as suite } from 'vitest';

/** A program on PATH, or the rights of root. */
export type Need = 'root' | 'ffmpeg' | 'ffprobe' | 'openssl' | 'ip' | 'gst-rtsp-server';

const underCi = process.env['CI'] !== undefined && process.env['CI'] !== '';

/**
 * `describe` where all `needs` are met or CI is set; else a skipped `describe` whose name says what is missing.
 *
 * @example describeWith(['ffmpeg'], 'cuts of a real encoder', () => { … });
 */
export function describeWith(needs: readonly Need[], name: string, body: () => void): void {
  const missing = needs.filter((need) => !isMet(need));
  if (missing.length === 0 || underCi) suite(name, body);
  else
    suite.skip(`${name} (skipped: needs ${missing.join(', ')}; test/setup installs what Debian has)`, body);
}

function isMet(need: Need): boolean {
  switch (need) {
    case 'root':
      return process.getuid?.() === 0;
    case 'gst-rtsp-server':
      return runs('/usr/bin/python3', ['-c', "import gi; gi.require_version('GstRtspServer', '1.0')"]);
    case 'ip':
      return runs('ip', ['-V']);
    case 'openssl':
      return runs('openssl', ['version']);
    case 'ffmpeg':
    case 'ffprobe':
      return runs(need, ['-version']);
  }
}

function runs(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
