/** Tests that need parts of the machine: skipped with a line that says why, and under CI run (and so fail) anyway. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe as suite } from 'vitest';

/** A program on PATH, the rights of root, or file systems of one's own. */
export type Need =
  | 'root'
  | 'ffmpeg'
  | 'ffprobe'
  | 'openssl'
  | 'ip'
  | 'gst-rtsp-server'
  | 'loop-disk'
  | 'image-parts'
  | 'go'
  | 'kubernetes'
  | 'cluster-nodes';

const top = path.join(import.meta.dirname, '../..');
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

/** What must succeed. */
const checks: Readonly<Record<Exclude<Need, 'root'>, readonly (readonly string[])[]>> = {
  ffmpeg: [['ffmpeg', '-version']],
  ffprobe: [['ffprobe', '-version']],
  openssl: [['openssl', 'version']],
  ip: [['ip', '-V']],
  'gst-rtsp-server': [['/usr/bin/python3', '-c', "import gi; gi.require_version('GstRtspServer', '1.0')"]],
  'loop-disk': [
    ['mkfs.ext4', '-V'],
    ['fsfreeze', '--version'],
    ['losetup', '--find'],
  ],
  go: [['go', 'version']],
  // Built already, or Go to build it with.
  kubernetes: [['sh', '-c', `ls "${top}"/build/kubernetes/*/complete || go version`]],
  'cluster-nodes': [
    ['containerd', '--version'],
    ['runc', '--version'],
    ['tini-static', '--version'],
    ['iptables', '--version'],
    ['conntrack', '--version'],
    ['test', '-x', '/usr/lib/cni/ptp'],
  ],
  'image-parts': [
    ['apt-get', '--version'],
    ['dpkg-source', '--version'],
    ['gcc', '--version'],
    ['make', '--version'],
    ['strip', '--version'],
    ['test', '-f', '/usr/include/openssl/ssl.h'],
  ],
};

function isMet(need: Need): boolean {
  if (need === 'root') return process.getuid?.() === 0;
  return checks[need].every(([command = '', ...args]) => runs(command, args));
}

function runs(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
