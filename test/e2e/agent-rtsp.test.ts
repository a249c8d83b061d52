import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mintHome } from '../support/certificates.ts';
import { AgentProcess, freePorts, runHoming } from '../support/agent-process.ts';
import { describeWith } from '../support/needs.ts';
import { encodeTestVideo, startRtspCamera, type RtspCamera } from '../support/rtsp-camera.ts';
import type { Identity } from '../../agent/tls.ts';

const password = 'hunter2-0815';

describeWith(['ffmpeg', 'gst-rtsp-server'], 'two agents and a real camera', () => {
  let folder: string;
  let camera: RtspCamera;
  const agents: AgentProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'homing-agent-rtsp-'));
    const file = join(folder, 'film.mkv');
    encodeTestVideo(file, { seconds: 60, bFrames: 0, audio: 'aac' });
    camera = await startRtspCamera({ file, username: 'viewer', password, audio: 'aac' });
    const home = await mintHome();
    const write = async (name: string, identity: Identity): Promise<void> => {
      await writeFile(join(folder, `${name}.crt`), identity.certificatePem);
      await writeFile(join(folder, `${name}.key`), identity.keyPem, { mode: 0o600 });
    };
    await writeFile(join(folder, 'ca.crt'), home.authority.certificatePem);
    await write('pi', await home.server('pi'));
    await write('nuc', await home.server('nuc'));
    await write('door', await home.client('yard/door'));
  });
  afterAll(async () => {
    await Promise.all(agents.map(async (agent) => agent.end('SIGKILL')));
    await camera.stop();
    await rm(folder, { recursive: true });
  });

  const start = async (
    name: string,
    resources: string,
    ...more: readonly string[]
  ): Promise<AgentProcess> => {
    const file = join(folder, `${name}.yaml`);
    await writeFile(file, resources, { mode: 0o600 });
    const own = ['--cert', join(folder, `${name}.crt`), '--key', join(folder, `${name}.key`)];
    const common = ['--resources', file, '--name', name, '--state', join(folder, 'state', name)];
    const agent = new AgentProcess([...common, ...own, '--trust', join(folder, 'ca.crt'), ...more]);
    agents.push(agent);
    return agent;
  };

  it(
    'moves with one session, loses no frame, and shows its password nowhere',
    { timeout: 120_000 },
    async () => {
      const [piPort = 0, nucPort = 0] = await freePorts(2);
      const server = (name: string, port: number, max: number): string =>
        `apiVersion: homing.dev/v1alpha1\nkind: HomeServer\nmetadata: {name: ${name}}\nspec: {max: ${max}, listen: {port: ${port}}, announce: {interfaces: [lo]}}\n---\n`;
      const door = `apiVersion: homing.dev/v1alpha1
kind: CameraClient
metadata: {name: door, namespace: yard}
spec:
  source: {rtsp: {url: "${camera.url}"}, credentialsRef: {name: cameras}}
  bridge: {servers: [pi]}
---
apiVersion: v1
kind: Secret
metadata: {name: cameras, namespace: yard}
stringData: {username: viewer, password: ${password}}
`;
      const reference = join(folder, 'reference');
      const pi = await start(
        'pi',
        server('pi', piPort, 4) + door,
        '--client-certs',
        folder,
        '--keep-source',
        reference,
      );
      await pi.until('source', ({ ready }) => ready);
      await pi.until('connected');
      const processes = execFileSync('/usr/bin/ps', ['-eo', 'args'], { encoding: 'utf8' });
      expect(processes).toContain('ffmpeg');
      // The camera itself is a test program and is told its password so.
      const others = processes.split('\n').filter((line) => !line.includes('rtsp-camera.py'));
      expect(others.join('\n')).not.toContain(password);

      const nuc = await start('nuc', server('nuc', nucPort, 16));
      const [moved] = await pi.until('handedOver', ({ to }) => to === 'nuc');
      expect(moved).toMatchObject({ client: 'yard/door', from: 'pi', framesLost: 0 });
      const status = await runHoming('status', '--state', join(folder, 'state', 'pi'), '--json');
      expect(await pi.end()).toBe(0);
      expect(await nuc.end()).toBe(0);
      expect(camera.events.filter((event) => event === 'session')).toHaveLength(1);

      const recordings = ['pi', 'nuc'].map((name) => join(folder, 'state', name, 'recordings'));
      const check = await runHoming('check', reference, ...recordings, '--json');
      expect(JSON.parse(check.stdout)).toMatchObject({ isWhole: true });
      const said = [status.stdout, pi.stderr, nuc.stderr, JSON.stringify([pi.events, nuc.events])].join('\n');
      expect(said).not.toContain(password);
      expect(await readAll(join(folder, 'state'))).not.toContain(password);
    },
  );
});

async function readAll(folder: string): Promise<string> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return (await Promise.all(files.map(async (file) => readFile(file, 'latin1')))).join('\n');
}
