import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runAgent, type AgentOptions, type RunningAgent } from '../../agent/agent.ts';
import { readResources } from '../../agent/control/resource-files.ts';
import type { Untimed } from '../../agent/events.ts';
import { freePorts } from '../support/agent-process.ts';
import { mintHome, type TestHome } from '../support/certificates.ts';
import { readStatus } from '../../agent/status-socket.ts';
import type { Identity } from '../../tls/identity.ts';

let folder: string;
let home: TestHome;
let door: Identity;
let port: number;
let events: Untimed[];
let agent: RunningAgent | undefined;

const write = async (name: string, identity: Identity): Promise<void> => {
  await writeFile(join(folder, `${name}.crt`), identity.certificatePem);
  await writeFile(join(folder, `${name}.key`), identity.keyPem, { mode: 0o600 });
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'homing-agent-'));
  home = await mintHome();
  events = [];
  [port = 0] = await freePorts(1);
  await writeFile(join(folder, 'ca.crt'), home.authority.certificatePem);
  await write('pi', await home.server('pi'));
  door = await home.client('default/door');
  await write('door', door);
  await write('yard', await home.client('default/yard'));
});
afterEach(async () => {
  await agent?.stop('test');
  agent = undefined;
  await rm(folder, { recursive: true });
});

const serverText = (spec = ''): string =>
  `apiVersion: homing.dev/v1alpha1\nkind: HomeServer\nmetadata: {name: pi}\nspec: {listen: {port: ${port}}, announce: {interfaces: [lo]}${spec}}\n---\n`;
const cameraText = (name: string, spec = ''): string =>
  `apiVersion: homing.dev/v1alpha1\nkind: CameraClient\nmetadata: {name: ${name}}\nspec: {source: {test: {fps: 10, gop: 5}}, bridge: {servers: [pi]}${spec}}\n---\n`;

async function put(text: string): Promise<string> {
  const path = join(folder, 'home.yaml');
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

async function options(text: string): Promise<AgentOptions> {
  return {
    resources: await put(text),
    name: 'pi',
    state: join(folder, 'state'),
    version: '0',
    trust: join(folder, 'ca.crt'),
    certificate: { certPath: join(folder, 'pi.crt'), keyPath: join(folder, 'pi.key') },
    clientCertificates: folder,
  };
}

const start = async (text: string): Promise<RunningAgent> => {
  agent = await runAgent(await options(text), (event) => events.push(event));
  return agent;
};
const configure = async (text: string): Promise<void> =>
  agent?.configure(await readResources(await put(text)));

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const endMs = performance.now() + 15_000;
  while (!isTrue()) {
    if (performance.now() > endMs)
      throw new Error(`waited until ${what}: ${JSON.stringify(events.slice(-10))}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const streaming = (): readonly string[] =>
  (agent?.status().server?.clients ?? []).filter((client) => client.isStreaming).map(({ name }) => name);

describe('an agent that is configured anew', () => {
  it('opens new cameras, closes those that are gone, and leaves the others alone', async () => {
    await start(serverText() + cameraText('door'));
    await until('door streams', () => streaming().includes('default/door'));
    const before = agent?.status().cameras[0]?.term;
    await configure(serverText(', max: 3') + cameraText('door') + cameraText('yard'));
    await until('yard streams', () => streaming().length === 2);
    expect(agent?.status().server?.max).toBe(3);
    expect(agent?.status().cameras[0]?.term).toBe(before);
    await configure(serverText() + cameraText('yard'));
    expect(agent?.status().cameras.map(({ name }) => name)).toEqual(['default/yard']);
    await until('door is gone', () => streaming().join() === 'default/yard');
  });

  it('sends a camera away that is suspended, and takes it again', async () => {
    await start(serverText() + cameraText('door'));
    await until('door streams', () => streaming().length === 1);
    await configure(serverText() + cameraText('door', ', suspend: true'));
    expect(agent?.status().cameras).toEqual([]);
    await until('door is gone', () => streaming().length === 0);
    await configure(serverText() + cameraText('door'));
    await until('door streams again', () => streaming().length === 1);
  });

  it('goes on with a renewed certificate of the same key, in the same term', async () => {
    await start(serverText() + cameraText('door'));
    await until('door streams', () => streaming().length === 1);
    const term = agent?.status().cameras[0]?.term;
    const renewed = await home.client('default/door', { id: door.leaf.id.slice(3), keyPem: door.keyPem });
    expect(renewed.leaf.spkiSha256).toBe(door.leaf.spkiSha256);
    await write('door', renewed);
    await configure(serverText() + cameraText('door'));
    await until('a handover to the same server', () => (agent?.status().cameras[0]?.handovers ?? 0) === 1);
    expect(agent?.status().cameras[0]).toMatchObject({ term, framesLost: 0 });
    expect(agent?.status().handovers).toEqual([
      expect.objectContaining({ from: 'pi', to: 'pi', framesLost: 0 }),
    ]);
  });

  it('keeps what it does where the new resources are wrong', async () => {
    await start(serverText() + cameraText('door'));
    await until('door streams', () => streaming().length === 1);
    await expect(configure(serverText() + cameraText('gate'))).rejects.toThrow(/gate\.crt: cannot be read/);
    await expect(configure('')).rejects.toThrow('no HomeServer is called "pi"');
    expect(agent?.status().cameras.map(({ name }) => name)).toEqual(['default/door']);
  });

  it('bounds its recordings anew, and says what of its sinks waits for a restart', async () => {
    const sinks = (record: string): string => `, sinks: [{name: disk, record: {${record}}}]`;
    await start(serverText(sinks('keepFree: 1Mi')));
    await until('it is announced', () => events.some(({ event }) => event === 'announced'));
    await configure(serverText(sinks('keepFree: 900Ti')));
    await until('no space is left', () => agent?.status().server?.missingFeatures.join() === 'record');
    const needed = () => events.filter((event) => 'reason' in event && event.reason === 'RestartNeeded');
    expect(needed()).toEqual([]);
    await configure(serverText(sinks('keepFree: 1Mi, durability: Written')));
    expect(needed()).toMatchObject([{ message: expect.stringContaining('spec.sinks') }]);
  });

  it('says that a server comes or goes at the next start only', async () => {
    await start(serverText() + cameraText('door'));
    await configure(cameraText('door'));
    expect(events).toContainEqual({
      event: 'warning',
      reason: 'RestartNeeded',
      message: 'a server is ended here at the next start of the agent',
    });
  });
});

describe('an agent that cannot start', () => {
  it('leaves nothing open', async () => {
    const wrong = await options(serverText() + cameraText('door'));
    await writeFile(join(folder, 'ca.crt'), 'no PEM');
    await expect(runAgent(wrong, () => {})).rejects.toThrow(join(folder, 'ca.crt'));
    expect(await readStatus(join(folder, 'state'))).toBeUndefined();
    await writeFile(join(folder, 'ca.crt'), home.authority.certificatePem);
    await start(serverText() + cameraText('door'));
    expect(agent?.status().name).toBe('pi');
  });
});
