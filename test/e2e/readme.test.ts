import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentProcess, freePorts } from '../support/agent-process.ts';

const root = path.join(import.meta.dirname, '../..');
let home: string;
let commands: string[];

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'homing-test-readme-'));
  await symlink(path.join(root, 'bin'), path.join(home, 'bin'));
  const readme = await readFile(path.join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block);
  commands = blocks
    .flatMap((block) => block.replaceAll(/\\\n\s*/g, '').split('\n'))
    .filter((line) => line.includes('bin/homing'));
});

afterAll(async () => {
  await rm(home, { recursive: true, force: true });
});

describe('README.md', () => {
  it('makes a CA and certificates by the commands that it prints', () => {
    const authority = commands.filter((line) => line.startsWith('bin/homing ca '));
    expect(authority).toHaveLength(4);
    for (const line of authority) execFileSync('sh', ['-c', line], { cwd: home, stdio: 'pipe' });
  });

  it('runs an agent with those certificates by the command that it prints, and shows its status', async () => {
    await mkdir(path.join(home, 'state'));
    const [port] = await freePorts(1);
    await writeFile(path.join(home, 'home.yaml'), homeYaml(port));
    const words = optionsOf('agent').map((word) => (word === '/var/lib/homing' ? 'state' : word));
    const inHome = words.map((word) =>
      /^(home\.yaml|state|ca\/|certs)/.test(word) ? path.join(home, word) : word,
    );
    const agent = new AgentProcess(inHome);
    await agent.until('connected');
    const status = execFileSync(
      path.join(root, 'bin/homing'),
      ['status', '--state', path.join(home, 'state')],
      { encoding: 'utf8' },
    );
    expect(await agent.end()).toBe(0);
    expect(status).toContain('default/door');
  });

  it('prints only options that the commands have', () => {
    for (const name of ['agent', 'status', 'connect']) {
      const help = execFileSync(path.join(root, 'bin/homing'), [name, '--help'], { encoding: 'utf8' });
      const options = optionsOf(name).filter((word) => word.startsWith('--'));
      expect(options.length).toBeGreaterThan(0);
      expect(options.filter((option) => !help.includes(`${option} `))).toEqual([]);
    }
  });
});

function optionsOf(name: string): string[] {
  const line = commands.find((command) => command.includes(`bin/homing ${name} `)) ?? '';
  return line.slice(line.indexOf(` ${name} `) + name.length + 2).split(/\s+/);
}

const homeYaml = (port = 0): string => `
apiVersion: homing.dev/v1alpha1
kind: HomeServer
metadata: {name: pi}
spec:
  listen: {port: ${port}}
  announce: {interfaces: [lo]}
---
apiVersion: homing.dev/v1alpha1
kind: CameraClient
metadata: {name: door, namespace: default}
spec: {source: {test: {}}}
`;
