/** Claims of real folders; the other agent is in this process, and once in one that is killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RecordingsClaim } from '../../agent/recordings-claim.ts';

let folder = '';
const claims: RecordingsClaim[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'homing-claim-'));
});
afterEach(async () => {
  for (const claim of claims.splice(0)) claim.close();
  await rm(folder, { recursive: true });
});

async function take(directory: string): Promise<RecordingsClaim> {
  const claim = new RecordingsClaim();
  claims.push(claim);
  await claim.take(directory);
  return claim;
}

describe('a folder of recordings', () => {
  it('is one agent’s, by whatever path', async () => {
    await take(folder);
    const other = `${folder}-link`;
    await symlink(folder, other);
    try {
      await expect(take(other)).rejects.toThrow(`${other}: another agent records there`);
    } finally {
      await rm(other);
    }
  });

  it('is free again when its agent has closed', async () => {
    const claim = await take(folder);
    claim.close();
    await expect(take(folder)).resolves.toBeInstanceOf(RecordingsClaim);
  });

  it('is free again when its agent was killed', async () => {
    const module = new URL('../../agent/recordings-claim.ts', import.meta.url).href;
    const script = `
      const { RecordingsClaim } = await import(${JSON.stringify(module)});
      await new RecordingsClaim().take(${JSON.stringify(folder)});
      console.log('taken');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    await once(child.stdout, 'data');
    await expect(take(folder)).rejects.toThrow('another agent records there');
    child.kill('SIGKILL');
    await closed;
    await expect(take(folder)).resolves.toBeInstanceOf(RecordingsClaim);
  });

  it('says what keeps it from being looked at', async () => {
    await expect(take(path.join(folder, 'none'))).rejects.toThrow('ENOENT');
  });
});
