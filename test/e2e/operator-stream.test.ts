import { createHash, createPublicKey } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Report } from '../../crds/operator-messages.ts';
import { parseTrust } from '../../protocol/trust.ts';
import { createAuthority } from '../../protocol/issuing.ts';
import { AgentProcess, HomingProcess, freePorts, runHoming } from '../support/agent-process.ts';
import { mintHome } from '../support/certificates.ts';
import { OperatorSide, cameraOf, homeServerOn, openOperatorSide } from '../support/operator-side.ts';

const token = 'good nuc';

describe('an agent of an operator', () => {
  let directory = '';
  let memory = '';
  let side: OperatorSide;
  let port = 0;
  const started: HomingProcess[] = [];

  beforeAll(async () => {
    memory = await mkdtemp('/dev/shm/homing-stream-');
  });
  afterAll(async () => {
    await rm(memory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'homing-stream-'));
    side = await openOperatorSide({ pinned: new Map() });
    [port = 0] = await freePorts(1);
    side.resources = { ...side.resources, homeServers: [homeServerOn('nuc', port)] };
    await writeFile(path.join(directory, 'ca.crt'), side.home.authority.certificatePem);
    await writeFile(path.join(directory, 'token'), token, { mode: 0o600 });
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((agent) => agent.end('SIGKILL')));
    await side.stop();
    await rm(directory, { recursive: true, force: true });
    for (const name of await readdir(memory)) await rm(path.join(memory, name), { recursive: true });
  });

  const start = (...more: readonly string[]): AgentProcess => {
    const own = ['--name', 'nuc', '--state', path.join(directory, 'state'), '--sink-health-ms', '500'];
    const ca = more.includes('--ca') ? [] : ['--ca', path.join(directory, 'ca.crt')];
    const agent = new AgentProcess(['--operator', `127.0.0.1:${side.port}`, ...ca, ...own, ...more]);
    started.push(agent);
    return agent;
  };
  const withToken = ['--token-file', '', '--credentials-dir', ''];
  const startEnrolling = (...more: readonly string[]): AgentProcess => {
    withToken[1] = path.join(directory, 'token');
    withToken[3] = path.join(memory, 'credentials');
    return start(...withToken, ...more);
  };
  const untilReport = async (holds: (report: Report) => boolean): Promise<Report> => {
    const nuc = () => side.reports.get('nuc');
    await expect
      .poll(
        () => {
          const report = nuc();
          return report !== undefined && holds(report);
        },
        { timeout: 30_000 },
      )
      .toBe(true)
      .catch((error: unknown) => {
        throw new Error(
          `the last report: ${JSON.stringify(nuc())} ${started.map((agent) => JSON.stringify(agent.events.slice(-8)) + agent.stderr).join(' ')}`,
          { cause: error },
        );
      });
    const report = nuc();
    if (report === undefined) throw new Error('no report');
    return report;
  };
  const streams = (name: string) => (report: Report) =>
    report.cameras.some((camera) => camera.name === name && camera.server === 'nuc');

  it('enrols with its token, makes its keys itself, and streams the camera that the snapshot gives it', async () => {
    side.resources = { ...side.resources, cameraClients: [cameraOf('door', ['nuc'])] };
    const agent = startEnrolling();
    const report = await untilReport(streams('cams/door'));
    expect(report.server).toMatchObject({
      identifier: `hcsp:${side.idOf('nuc')}`,
      features: ['record'],
      isDraining: false,
    });
    expect(report.server?.certificate?.anchorSha256).toBe(anchorOf(side));
    expect(report.anchorUses).toEqual({ [anchorOf(side)]: 2 });
    expect(report.trustRevision).toBeGreaterThan(0);
    expect(side.requested).toEqual(['cams/door']);
    const keys = path.join(directory, 'state/operator/certificates');
    expect((await stat(path.join(keys, 'own.key'))).mode & 0o777).toBe(0o600);
    expect((await stat(path.join(keys, 'cameras/cams/door.key'))).mode & 0o777).toBe(0o600);
    expect(agent.of('operator').map(({ isConnected }) => isConnected)).toEqual([true]);
    // Whatever it prints or shows tells nobody a token or a key.
    const key = (await readFile(path.join(keys, 'own.key'), 'utf8')).split('\n')[1] ?? '';
    const told =
      JSON.stringify(agent.events) + agent.stderr + (await readFile(`/proc/${agent.pid}/cmdline`, 'utf8'));
    const status = await runHoming('status', '--state', path.join(directory, 'state'), '--json');
    expect(status.code).toBe(0);
    for (const text of [told, status.stdout]) {
      expect(text).not.toContain(token);
      expect(text).not.toContain(key);
    }
  });

  it('goes on without the operator, and comes back from its disk after SIGKILL while there is none', async () => {
    const login = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'login', namespace: 'cams' },
      data: { username: 'dXNlcg==', password: 'aHVudGVyMg==' },
    };
    const secret = cameraOf('gate', ['nuc'], {
      source: { rtsp: { url: 'rtsp://127.0.0.1:9/x' }, credentialsRef: { name: 'login' } },
    });
    side.resources = {
      ...side.resources,
      cameraClients: [cameraOf('door', ['nuc']), secret],
      secrets: [login],
    };
    const agent = startEnrolling();
    await untilReport((report) => streams('cams/door')(report) && report.cameras.length === 2);
    await side.stop();
    await agent.until('operator', ({ isConnected }) => !isConnected);
    const durable = async (): Promise<number> => {
      const { stdout } = await runHoming('status', '--state', path.join(directory, 'state'), '--json');
      const cameras: readonly { name: string; durable: number }[] = JSON.parse(stdout).cameras;
      return cameras.find(({ name }) => name === 'cams/door')?.durable ?? 0;
    };
    const before = await durable();
    await expect.poll(durable, { timeout: 20_000 }).toBeGreaterThan(before);
    expect(agent.of('disconnected')).toEqual([]);
    await agent.end('SIGKILL');

    const again = startEnrolling();
    const [ready] = await again.until('started');
    expect(ready).toMatchObject({ server: 'nuc', clients: 2 });
    await again.until('connected', ({ client }) => client === 'cams/door');
    expect(again.of('operator')).toEqual([]);
    await again.end('SIGKILL');

    // The machine was without power: its memory is empty.
    await rm(path.join(memory, 'credentials'), { recursive: true });
    const rebooted = startEnrolling();
    expect((await rebooted.until('started'))[0]).toMatchObject({ clients: 1 });
    await rebooted.until('connected', ({ client }) => client === 'cams/door');
    expect(await filesWith(path.join(directory, 'state'), ['hunter2', 'aHVudGVyMg=='])).toEqual([]);
    expect(JSON.stringify([...agent.events, ...again.events, ...rebooted.events])).not.toMatch(
      /hunter2|aHVudGVyMg/,
    );

    await side.start();
    await untilReport((report) => report.cameras.length === 2 && report.snapshotRevision > 1);
  });

  it('runs no camera with a password where there is no memory for it, and says so; the others run', async () => {
    const gate = cameraOf('gate', ['nuc'], {
      source: { rtsp: { url: 'rtsp://127.0.0.1:9/x' }, credentialsRef: { name: 'login' } },
    });
    const odd = cameraOf('odd', ['nuc'], { source: { rtmp: { url: 'rtmp://127.0.0.1/x' } } });
    side.resources = {
      ...side.resources,
      cameraClients: [gate, odd, cameraOf('door', ['nuc'])],
      secrets: [],
    };
    const agent = start('--token-file', path.join(directory, 'token'));
    const report = await untilReport(streams('cams/door'));
    const warned = agent.of('warning').filter(({ reason }) => reason === 'CameraRefused');
    expect(new Set(warned.map(({ client }) => client))).toEqual(new Set(['cams/gate', 'cams/odd']));
    const problems = Object.fromEntries(report.cameras.map(({ name, problem }) => [name, problem]));
    expect(problems['cams/door']).toBeUndefined();
    expect(problems['cams/gate']).toContain('--credentials-dir');
    expect(problems['cams/odd']).toContain('this version cannot open it');
    expect(report.problem).toBeUndefined();
  });

  it('refuses a folder for passwords that is on a disk', async () => {
    const ended = await runHoming(
      'agent',
      '--operator',
      `127.0.0.1:${side.port}`,
      '--ca',
      path.join(directory, 'ca.crt'),
      '--name',
      'nuc',
      '--state',
      path.join(directory, 'state'),
      '--credentials-dir',
      path.join(directory, 'passwords'),
    );
    expect([ended.code, ended.stderr]).toEqual([2, expect.stringContaining('must be in memory (tmpfs)')]);
  });

  it('waits where the operator has no HomeServer of its name, goes on where that is taken away, and says so', async () => {
    side.resources = { ...side.resources, homeServers: [homeServerOn('pi', port)] };
    const agent = startEnrolling();
    const said = ({ reason }: { readonly reason: string }) => reason === 'SnapshotRefused';
    expect((await agent.until('warning', said))[0]?.message).toContain('no HomeServer that is called nuc');
    expect(agent.of('started')).toEqual([]);
    side.set({ homeServers: [homeServerOn('nuc', port)], cameraClients: [cameraOf('door', ['nuc'])] });
    await untilReport((report) => streams('cams/door')(report) && report.problem === undefined);
    side.set({ homeServers: [] });
    const report = await untilReport(({ problem }) => problem !== undefined);
    expect([report.problem, streams('cams/door')(report)]).toEqual([
      expect.stringContaining('no HomeServer'),
      true,
    ]);
  });

  it('holds the certificate of a camera whose second bridge it is, and does not open the camera', async () => {
    side.resources = {
      ...side.resources,
      cameraClients: [cameraOf('door', ['pi', 'nuc']), cameraOf('gate', ['nuc'])],
    };
    startEnrolling();
    const report = await untilReport(streams('cams/gate'));
    expect(report.cameras.map(({ name }) => name)).toEqual(['cams/gate']);
    expect(report.anchorUses[anchorOf(side)]).toBe(3);
    expect(await readdir(path.join(directory, 'state/operator/certificates/clients'))).toEqual([
      'gate.crt',
      'gate.key',
    ]);
  });

  it('forgets key and certificate of a camera that is not its own any more', async () => {
    side.resources = {
      ...side.resources,
      cameraClients: [cameraOf('door', ['nuc']), cameraOf('gate', ['nuc'])],
    };
    startEnrolling();
    await untilReport((report) => streams('cams/door')(report) && streams('cams/gate')(report));
    side.set({ cameraClients: [cameraOf('door', ['nuc'])] });
    await untilReport((report) => report.cameras.length === 1 && streams('cams/door')(report));
    const certificates = path.join(directory, 'state/operator/certificates');
    expect(await readdir(path.join(certificates, 'cameras/cams'))).toEqual(['door.crt', 'door.key']);
    expect(await readdir(path.join(certificates, 'clients'))).toEqual(['door.crt', 'door.key']);
  });

  it('drains while its node is cordoned, and serves again after it', async () => {
    startEnrolling();
    await untilReport((report) => report.server?.isDraining === false);
    side.set({ isCordoned: true });
    await untilReport((report) => report.server?.isDraining === true);
    side.set({ isCordoned: false });
    const report = await untilReport(({ server }) => server?.isDraining === false);
    expect(report.server?.max).toBe(16);
  });

  it('sends no token to a server that poses as the operator', async () => {
    await side.stop();
    await side.start(await side.home.server('evil'));
    const agent = startEnrolling();
    const [warning] = await agent.until('warning', ({ reason }) => reason === 'Operator');
    expect(warning?.message).toMatch(/which is a server/);
    expect(side.enrolments).toEqual([]);
  });

  it('leaves its stream closed to a server that poses as the operator', async () => {
    const agent = startEnrolling();
    await untilReport(() => true);
    await side.stop();
    await side.start(await side.home.server('evil'));
    const [warning] = await agent.until('warning', ({ message }) => message.includes('is a server'));
    expect(warning?.reason).toBe('Operator');
    expect(side.sessions.size).toBe(0);
  });

  it('refuses an operator of another CA, by file and by hash, and takes the one whose hash it was given', async () => {
    const other = await mintHome();
    await writeFile(path.join(directory, 'other.crt'), other.authority.certificatePem);
    const wrong = [path.join(directory, 'other.crt'), pinOf(other.authority.certificatePem)];
    for (const ca of wrong) {
      const agent = startEnrolling('--ca', ca);
      await agent.until('warning', ({ reason }) => reason === 'Operator');
      await agent.end('SIGKILL');
    }
    expect(side.enrolments).toEqual([]);
    startEnrolling('--ca', pinOf(side.home.authority.certificatePem));
    await untilReport((report) => report.server !== undefined);
  });

  it('without a token waits until its public key is in its HomeServer, and says which one it is', async () => {
    await side.stop();
    const pinned = new Map<string, string>();
    side = new OperatorSide(side.home, { pinned });
    side.resources = { ...side.resources, homeServers: [homeServerOn('nuc', port)] };
    await side.start();
    const agent = start();
    const [warning] = await agent.until('warning', ({ message }) => message.includes('publicKey'));
    const key =
      /put publicKey: (sha256:[0-9a-f]{64}) into HomeServer nuc/.exec(warning?.message ?? '')?.[1] ?? '';
    pinned.set('nuc', key);
    await untilReport((report) => report.server !== undefined);
    expect(side.enrolments.every((request) => request.token === undefined)).toBe(true);
  });

  it('certifies a camera by itself whose public key is in its CameraClient, which then streams and reports', async () => {
    side.resources = {
      ...side.resources,
      cameraClients: [cameraOf('meter', [], { source: { native: {} } })],
    };
    startEnrolling();
    await untilReport((report) => report.server !== undefined);
    const meter = new HomingProcess('connect', [
      '--operator',
      `127.0.0.1:${side.port}`,
      '--ca',
      pinOf(side.home.authority.certificatePem),
      '--name',
      'cams/meter',
      '--state',
      path.join(directory, 'meter'),
      '--source',
      'test',
      '--server',
      `127.0.0.1:${port}`,
    ]);
    started.push(meter);
    const [warning] = await meter.until('warning', ({ message }) => message.includes('publicKey'));
    const advice = /put publicKey: (sha256:[0-9a-f]{64}) into CameraClient cams\/meter/;
    side.pin('cams/meter', advice.exec(warning?.message ?? '')?.[1] ?? '');
    await meter.until('connected');
    await expect
      .poll(() => side.reports.get('cams/meter')?.cameras, { timeout: 20_000 })
      .toMatchObject([{ name: 'cams/meter', server: 'nuc', media: 'video/mp2t', source: { isReady: true } }]);
    expect(side.reports.get('cams/meter')?.anchorUses).toEqual({ [anchorOf(side)]: 1 });
    const key = path.join(directory, 'meter/operator/certificates/own.key');
    expect((await stat(key)).mode & 0o777).toBe(0o600);
    expect(await meter.end()).toBe(0);
  });

  it('takes a renewed certificate and a new CA without losing a session', async () => {
    side.resources = { ...side.resources, cameraClients: [cameraOf('door', ['nuc'])] };
    const agent = startEnrolling();
    await untilReport(streams('cams/door'));
    const next = await createAuthority({ nowMs: Date.now() });
    side.setTrust(`${side.anchorsPem}${next.certificatePem}`, '');
    const before = agent.of('disconnected').length;
    await untilReport(
      (report) => report.trustRevision === side.revision - 1 || report.trustRevision >= side.revision - 1,
    );
    side.authority = next;
    await side.renewAll();
    const sha256 = anchorsOf(next.certificatePem)[0]?.sha256 ?? '';
    await untilReport(
      (report) => report.anchorUses[sha256] === 2 && report.server?.certificate?.anchorSha256 === sha256,
    );
    expect(agent.of('disconnected').length).toBe(before);
    const report = await untilReport(streams('cams/door'));
    expect(report.cameras[0]?.framesLost).toBe(0);
  });

  it('cuts a denied camera off within a second or little more', async () => {
    side.resources = {
      ...side.resources,
      cameraClients: [cameraOf('door', ['nuc']), cameraOf('gate', ['nuc'])],
    };
    const agent = startEnrolling();
    await untilReport((report) => streams('cams/door')(report) && streams('cams/gate')(report));
    side.setTrust(side.anchorsPem, `ab:${side.idOf('cams/door')}\n`);
    const [left] = await agent.until('left', ({ client }) => client === 'cams/door');
    expect(left?.reason).toContain('untrusted');
    await untilReport((report) => streams('cams/gate')(report) && !streams('cams/door')(report));
  });

  it('takes the mounted trust set where its revision is higher, and not where it is lower', async () => {
    const folder = path.join(directory, 'mounted');
    const write = async (revision: number, deny: string) => {
      const { mkdir } = await import('node:fs/promises');
      await mkdir(folder, { recursive: true });
      await writeFile(path.join(folder, 'ca.crt'), side.anchorsPem);
      await writeFile(path.join(folder, 'deny.txt'), deny);
      await writeFile(path.join(folder, 'revision'), String(revision));
    };
    await write(1, 'ab:AAAAAAAAAAAAAAAAAAAAAA\n');
    side.resources = { ...side.resources, cameraClients: [cameraOf('door', ['nuc'])] };
    const agent = startEnrolling('--trust', folder);
    await untilReport(streams('cams/door'));
    expect(agent.of('trust').at(-1)?.denied).toBe(0);
    await side.stop();
    await write(Date.now() + 1_000_000, `ab:${side.idOf('cams/door')}\n`);
    await agent.until('left', ({ client }) => client === 'cams/door');
  });
});

function anchorsOf(pem: string) {
  const trust = parseTrust({ anchorsPem: pem, denyText: '' });
  if (!trust.ok) throw new Error(trust.detail);
  return trust.value.anchors;
}

function anchorOf(side: OperatorSide): string {
  return anchorsOf(side.home.authority.certificatePem)[0]?.sha256 ?? '';
}

/** As a person gets it: `openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum`. */
function pinOf(certificatePem: string): string {
  const spki = createPublicKey(certificatePem).export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}

async function filesWith(folder: string, texts: readonly string[]): Promise<readonly string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  const read = await Promise.all(files.map(async (file) => ({ file, bytes: await readIfThere(file) })));
  return read.filter(({ bytes }) => texts.some((text) => bytes.includes(text))).map(({ file }) => file);
}

/** A file that is written anew has another name for a moment; then it is read under its own, or at the next call. */
async function readIfThere(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    if (file.endsWith('.new')) return Buffer.alloc(0);
    throw error;
  }
}
