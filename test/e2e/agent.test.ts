import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AgentProcess, freePorts, runHoming } from '../support/agent-process.ts';

let home: string;
let ports: readonly number[];
let round = 0;
const running: AgentProcess[] = [];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'homing-agent-'));
  ports = await freePorts(3);
  const ca = async (...args: readonly string[]): Promise<void> => {
    const { code, stderr } = await runHoming('ca', ...args);
    if (code !== 0) throw new Error(stderr);
  };
  const issue = async (...args: readonly string[]): Promise<void> =>
    ca('issue', '--ca', join(home, 'ca'), '--out', join(home, 'certs'), ...args);
  await ca('init', '--out', join(home, 'ca'));
  for (const server of ['pi', 'nuc']) await issue('--server', server, '--ip', '127.0.0.1');
  for (const camera of ['door', 'yard']) await issue('--client', camera);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map(async (agent) => agent.end('SIGKILL')));
});
afterAll(async () => rm(home, { recursive: true, force: true }));

const serverText = (name: string, port: number, spec = ''): string => `
apiVersion: homing.dev/v1alpha1
kind: HomeServer
metadata: {name: ${name}}
spec:
  listen: {port: ${port}}
  announce: {interfaces: [lo]}
${spec}
---`;
const cameraText = (name: string, spec = ''): string => `
apiVersion: homing.dev/v1alpha1
kind: CameraClient
metadata: {name: ${name}}
spec:
  source: {test: {fps: 10, gop: 10}}
  bridge: {servers: [pi]}
${spec}
---`;

async function write(name: string, text: string): Promise<string> {
  const path = join(home, name);
  await writeFile(path, text);
  return path;
}

interface Started {
  readonly resources: string;
  readonly name: string;
  readonly state?: string;
  readonly more?: readonly string[];
}

const stateOf = (name: string): string => join(home, `state-${round}`, name);

function argsOf({ resources, name, state = stateOf(name), more = [] }: Started): readonly string[] {
  const certificate = ['pi', 'nuc'].includes(name)
    ? ['--cert', join(home, 'certs', `${name}.crt`), '--key', join(home, 'certs', `${name}.key`)]
    : [];
  const trust = ['--trust', join(home, 'ca', 'ca.crt')];
  return ['--resources', resources, '--name', name, '--state', state, ...trust, ...certificate, ...more];
}

function start(started: Started): AgentProcess {
  const agent = new AgentProcess(argsOf(started));
  running.push(agent);
  return agent;
}

const clientCerts = (): readonly string[] => ['--client-certs', join(home, 'certs')];

describe('two agents on one network', () => {
  it(
    'gives the cameras to the better one, and back when it stops, and loses no frame',
    { timeout: 120_000 },
    async () => {
      round += 1;
      const [piPort = 0, nucPort = 0] = ports;
      const piFile = await write(
        'pi.yaml',
        serverText('pi', piPort, '  max: 4') + cameraText('door') + cameraText('yard'),
      );
      const nucFile = await write('nuc.yaml', serverText('nuc', nucPort, '  features: [record, gpu]'));
      const reference = join(home, 'reference');
      const pi = start({
        resources: piFile,
        name: 'pi',
        more: [...clientCerts(), '--keep-source', reference],
      });
      await pi.until('welcomed', () => true, 2);

      const nuc = start({ resources: nucFile, name: 'nuc' });
      const moved = await pi.until('handedOver', ({ to }) => to === 'nuc', 2);
      expect(new Set(moved.map(({ client }) => client))).toEqual(new Set(['default/door', 'default/yard']));
      expect(moved.map(({ framesLost, reason }) => ({ framesLost, reason }))).toEqual([
        { framesLost: 0, reason: 'rank' },
        { framesLost: 0, reason: 'rank' },
      ]);

      const json = await runHoming('status', '--state', stateOf('nuc'), '--json');
      expect(json.code).toBe(0);
      expect(JSON.parse(json.stdout)).toMatchObject({
        name: 'nuc',
        server: { name: 'nuc', connected: 2 },
        cameras: [],
      });
      const page = await runHoming('status', '--state', stateOf('pi'));
      expect(page.stdout).toMatch(
        /1\. +nuc +2 of 16 +before pi: level 2 \(record\+gpu\) against 1 \(record\)/,
      );
      expect(page.stdout).toMatch(/default\/door +→ nuc +stream/);
      expect(page.stdout).toMatch(/LAST HANDOVERS\n.*pi → nuc {2}rank .* 0 frames lost\n/);

      expect(await nuc.end('SIGTERM')).toBe(0);
      await pi.until('handedOver', ({ from, to }) => from === 'nuc' && to === 'pi', 2);
      expect(nuc.stderr).toContain('SIGTERM: stopping');
      expect(nuc.of('stopped')).toHaveLength(1);
      expect(await pi.end('SIGINT')).toBe(0);

      const recordings = ['pi', 'nuc'].map((name) => join(stateOf(name), 'recordings'));
      const check = await runHoming('check', reference, ...recordings, '--json');
      expect(JSON.parse(check.stdout)).toMatchObject({ isWhole: true });
      expect(check.code).toBe(0);
      expect((await readdir(stateOf('pi'))).filter((name) => name.endsWith('.sock'))).toEqual([]);
      expect(await readFile(join(stateOf('pi'), 'state.json'), 'utf8')).toContain('client default/door');
    },
  );

  it('refuses a suspended client, whatever its certificate', async () => {
    round += 1;
    const [piPort = 0, nucPort = 0] = ports;
    const nucFile = await write(
      'nuc-suspends.yaml',
      serverText('nuc', nucPort) + cameraText('door', '  suspend: true') + cameraText('yard'),
    );
    const piFile = await write(
      'pi-only-bridges.yaml',
      serverText('nuc', nucPort, `  external: {address: "127.0.0.1:${nucPort}"}`) +
        cameraText('door') +
        cameraText('yard'),
    );
    expect(piPort).not.toBe(nucPort);
    const nuc = start({ resources: nucFile, name: 'nuc' });
    await nuc.until('started');
    const shed = start({ resources: piFile, name: 'pi', more: clientCerts() });
    await shed.until('connected', ({ client, to }) => client === 'default/yard' && to === 'nuc');
    expect(shed.of('started')).toEqual([expect.objectContaining({ clients: 2 })]);
    expect(shed.of('started')[0]).not.toHaveProperty('server');
    const page = await runHoming('status', '--state', stateOf('pi'));
    expect(page.stdout).toContain('client only: no server runs here');
    expect(shed.of('connected').some(({ client }) => client === 'default/door')).toBe(false);
    expect(nuc.of('welcomed').map(({ client }) => client)).not.toContain('default/door');
    expect(await shed.end()).toBe(0);
    expect(await nuc.end()).toBe(0);
  });
});

describe('one agent', () => {
  it('goes on with a higher boot and term after SIGKILL, and takes its folder back', async () => {
    round += 1;
    const [port = 0] = ports;
    const resources = await write('alone.yaml', serverText('pi', port) + cameraText('door'));
    const options = { resources, name: 'pi', more: clientCerts() };
    const boots: number[] = [];
    for (let life = 0; life < 2; life++) {
      const agent = start(options);
      await agent.until('welcomed');
      const { stdout } = await runHoming('status', '--state', stateOf('pi'), '--json');
      const { server, cameras }: { server: { boot: number }; cameras: { term: number }[] } =
        JSON.parse(stdout);
      boots.push(server.boot, cameras[0]?.term ?? 0);
      expect(await agent.end('SIGKILL')).toBeNull();
      expect((await runHoming('status', '--state', stateOf('pi'))).code).toBe(1);
    }
    const [boot = 0, term = 0, nextBoot = 0, nextTerm = 0] = boots;
    expect(nextBoot).toBeGreaterThan(boot);
    expect(nextTerm).toBeGreaterThan(term);
  });

  it('ends at once at the second signal', async () => {
    round += 1;
    const [port = 0] = ports;
    const resources = await write('twice.yaml', serverText('pi', port) + cameraText('door'));
    const agent = start({ resources, name: 'pi', more: clientCerts() });
    await agent.until('welcomed');
    agent.signal('SIGINT');
    agent.signal('SIGTERM');
    expect(await agent.end()).toBe(1);
  });

  it('keeps a second agent from its state, its port and its recordings', async () => {
    round += 1;
    const [port = 0, otherPort = 0] = ports;
    const resources = await write('first.yaml', serverText('pi', port));
    const other = await write('second.yaml', serverText('nuc', otherPort));
    const taken = await write('third.yaml', serverText('nuc', port));
    const agent = start({ resources, name: 'pi' });
    await agent.until('started');
    const sameState = await runHoming(
      'agent',
      ...argsOf({ resources: other, name: 'nuc', state: stateOf('pi') }),
    );
    expect(sameState).toEqual({
      code: 2,
      stdout: '',
      stderr: `homing: ${stateOf('pi')}: another agent runs with this state folder: each needs its own --state\n`,
    });
    const samePort = await runHoming('agent', ...argsOf({ resources: taken, name: 'nuc' }));
    expect(samePort.code).toBe(2);
    expect(samePort.stderr).toContain(
      `homing: spec.listen.port: found ${port}, which this machine does not give: listen EADDRINUSE`,
    );
    const sameRecordings = await runHoming(
      'agent',
      ...argsOf({ resources: other, name: 'nuc' }),
      '--recordings',
      join(stateOf('pi'), 'recordings'),
    );
    expect(sameRecordings).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('another agent records there: give each agent a --recordings folder'),
    });
    expect(await agent.end()).toBe(0);
  });
});

describe('wrong use ends with code 2 and says what would be right', () => {
  it('names every mistake of every file', async () => {
    const resources = await write(
      'wrong.yaml',
      serverText('pi', 70_000) + cameraText('door', '  sellection: {}'),
    );
    expect(await runHoming('agent', ...argsOf({ resources, name: 'pi' }))).toEqual({
      code: 2,
      stdout: '',
      stderr: [
        `homing: ${resources}:6: spec.listen.port: found 70000: must be a whole number from 1 to 65535`,
        `${resources}:16: spec.sellection: unknown field: did you mean "selection"?`,
        '',
      ].join('\n'),
    });
  });

  it('never shows a secret', async () => {
    const resources = await write(
      'secret.yaml',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {password: hunter2\n',
    );
    await chmod(resources, 0o644);
    const { code, stdout, stderr } = await runHoming('agent', ...argsOf({ resources, name: 'pi' }));
    expect(code).toBe(2);
    expect(stdout + stderr).not.toContain('hunter2');
  });

  it.each([
    [['agent'], "required option '--name <name>' not specified"],
    [
      ['agent', '--resources', 'x', '--name', 'pi', '--state', '/nonexistent/x', '--cert', 'a'],
      '--cert and --key go together: --key is missing',
    ],
    [
      ['agent', '--resources', '/nonexistent', '--name', 'pi', '--state', '/nonexistent/x'],
      '/nonexistent: cannot be read: is not there',
    ],
    [
      ['agent', '--resources', 'x', '--name', 'pi', '--state', '/nonexistent/x', '--ring', '0'],
      '--ring "0": must be a whole number of MiB from 1 on',
    ],
    [['status', '--state'], "option '--state <dir>' argument missing"],
  ])('%j', async (args, message) => {
    const { code, stderr } = await runHoming(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('says where no agent runs, with code 1', async () => {
    const { code, stdout, stderr } = await runHoming('status', '--state', join(home, 'nobody'), '--json');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`homing: no agent runs with --state ${join(home, 'nobody')}: start one with`);
  });

  it('explains itself with examples', async () => {
    for (const command of ['agent', 'status']) {
      const { code, stdout } = await runHoming(command, '--help');
      expect(code).toBe(0);
      expect(stdout).toMatch(new RegExp(`Examples:\n +homing ${command} --`));
    }
  });
});
