import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRtspSource } from '../../agent/sources/rtsp.ts';
import { caSecretName, operatorName, systemNamespace } from '../../crds/cluster.ts';
import { makeDefinitions } from '../../crds/definitions.ts';
import { containerConfig } from '../../image/image.ts';
import { type WrittenImage, writeImage } from '../../image/oci.ts';
import { prepareParts } from '../../image/parts.ts';
import { type RootFolders, assembleRoot } from '../../image/root.ts';
import manifest from '../../package.json' with { type: 'json' };
import { freePorts } from '../support/agent-process.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { frameHashes } from '../support/framehash.ts';
import { template } from '../support/helm.ts';
import { describeWith } from '../support/needs.ts';
import { encodeTestVideo, startRtspCamera } from '../support/rtsp-camera.ts';

const run = promisify(execFile);
const top = path.join(import.meta.dirname, '../..');
const mebibyte = 1024 * 1024;

let directory = '';
let folders: RootFolders = { base: '', app: '' };
let image: WrittenImage = { digest: '', compressedBytes: 0, layers: [] };

/** Runs a command as a container would: as user 65532, in a file system that nobody can write. */
async function runInside(...command: readonly string[]): Promise<string> {
  const root = path.join(directory, 'root');
  const script = `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec chroot --userspec=65532:65532 "$0" "$@"`;
  const env = { PATH: '/usr/bin:/usr/sbin:/bin:/sbin', UV_THREADPOOL_SIZE: '16' };
  const { stdout } = await run('unshare', ['--mount', 'sh', '-c', script, root, ...command], { env });
  return stdout;
}

interface Entry {
  readonly file: string;
  readonly mode: number;
  readonly content: string;
}

/** Every file under `folder`: path, mode, and the hash or target of its content. */
async function listing(folder: string): Promise<readonly Entry[]> {
  const files = await readdir(folder, { recursive: true });
  return Promise.all(
    files.toSorted().map(async (file) => {
      const full = path.join(folder, file);
      const stats = await lstat(full);
      const content = stats.isSymbolicLink()
        ? await readlink(full)
        : stats.isFile()
          ? createHash('sha256')
              .update(await readFile(full))
              .digest('hex')
          : '';
      return { file, mode: stats.mode & 0o7777, content };
    }),
  );
}

describeWith(['root', 'image-parts'], 'the container image', () => {
  beforeAll(async () => {
    process.umask(0o022);
    directory = await mkdtemp(path.join(tmpdir(), 'homing-image-test-'));
    folders = await assembleRoot(top, directory);
    const root = path.join(directory, 'root');
    await mkdir(root);
    await chmod(root, 0o755);
    for (const folder of [folders.base, folders.app])
      await cp(folder, root, { recursive: true, verbatimSymlinks: true });
    const config = await containerConfig();
    const layers = [folders.base, folders.app];
    const described = { reference: 'localhost/homing:test', architecture: 'amd64', layers, config } as const;
    image = await writeImage(path.join(directory, 'image.tar'), described);
    // mkdtemp makes it for its owner only.
    await chmod(directory, 0o755);
  }, 300_000);

  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  it('is at most 60 MiB to download, and an upgrade at most 2 of them', () => {
    console.log(`${(image.compressedBytes / mebibyte).toFixed(1)} MiB compressed`);
    expect(image.compressedBytes).toBeLessThan(60 * mebibyte);
    expect(image.layers.at(-1)?.compressedBytes).toBeLessThan(2 * mebibyte);
    // Node alone is more than half of it: something is missing if it is much smaller.
    expect(image.compressedBytes).toBeGreaterThan(30 * mebibyte);
  });

  it('runs as somebody without rights where nothing can be written', async () => {
    const { Entrypoint } = await containerConfig();
    const entry = [Entrypoint].flat().map(String);
    expect(await runInside(...entry, '--version')).toBe(`${manifest.version}\n`);
    expect(await runInside('/usr/bin/homing', '--version')).toBe(`${manifest.version}\n`);
    const seen = `const fs = require('fs'); try { fs.writeFileSync('/tmp/x', ''); } catch (e) { console.log(process.getuid(), e.code) }`;
    expect(await runInside('/opt/homing/bin/node', '-e', seen)).toBe('65532 EROFS\n');
  });

  it('has no shell, and no file with rights of its own or that its user could change', async () => {
    const files = [...(await listing(folders.base)), ...(await listing(folders.app))];
    const names = files.map(({ file }) => path.basename(file));
    expect(names).toContain('node');
    expect(names.filter((name) => /^(ba|da|z|k|a)?sh$|^busybox$|^(apt|dpkg)/.test(name))).toEqual([]);
    expect(files.filter(({ mode }) => (mode & 0o6000) !== 0).map(({ file }) => file)).toEqual([]);
    const open = files.filter(
      ({ file, mode, content }) => (mode & 0o002) !== 0 && content === '' && file !== 'tmp',
    );
    expect(open).toEqual([]);
  });

  it('says of every part what it is and where it is from', async () => {
    const home = path.join(folders.app, 'opt/homing');
    const bill: unknown = JSON.parse(await readFile(path.join(home, 'sbom.cdx.json'), 'utf8'));
    const parts = ['zod', 'node', 'ffmpeg', 'tini', 'libc6', 'libssl3', 'ca-certificates'];
    for (const name of parts)
      expect(bill).toHaveProperty('components', expect.arrayContaining([expect.objectContaining({ name })]));
    const copyrights = await readdir(path.join(folders.base, 'usr/share/doc'));
    expect(copyrights).toEqual(expect.arrayContaining(['ffmpeg', 'libc6', 'tini']));
  });

  it('is the same bytes when the same is built again', async () => {
    const again = await assembleRoot(top, path.join(directory, 'again'));
    expect(await listing(again.base)).toEqual(await listing(folders.base));
    expect(await listing(again.app)).toEqual(await listing(folders.app));
    const small = {
      reference: 'localhost/x:1',
      architecture: 'amd64',
      layers: [again.app],
      config: {},
    } as const;
    const [one, two] = [path.join(directory, 'one.tar'), path.join(directory, 'two.tar')];
    await writeImage(one, small);
    await writeImage(two, { ...small, layers: [folders.app] });
    expect(await readFile(one)).toEqual(await readFile(two));
  });
});

describeWith(['image-parts', 'ffmpeg', 'gst-rtsp-server'], 'the ffmpeg of the image', () => {
  it('reads a camera that sends G.711 and B-frames, every frame of it', async () => {
    const [ffmpeg] = await prepareParts(top);
    const work = await mkdtemp(path.join(tmpdir(), 'homing-image-ffmpeg-'));
    const film = path.join(work, 'film.mkv');
    encodeTestVideo(film, { seconds: 20, bFrames: 3, audio: 'mulaw' });
    const credentials = { username: 'admin', password: 'geheim' };
    const camera = await startRtspCamera({ file: film, ...credentials, audio: 'mulaw' });
    const chunks: Uint8Array[] = [];
    const nothing = (): void => undefined;
    const listener = {
      onRestart: nothing,
      onBytes: (bytes: Uint8Array) => void chunks.push(bytes),
      onState: nothing,
      onEnd: nothing,
    };
    const source = openRtspSource({ url: camera.url, credentials, ffmpeg: ffmpeg?.program ?? '' }, listener);
    const enough = (): boolean => chunks.reduce((sum, { length }) => sum + length, 0) > 150_000;
    for (let round = 0; !enough() && round < 3000; round += 1) await delay(10);
    await source.close();
    await camera.stop();
    const got = path.join(work, 'got.ts');
    await writeFile(got, Buffer.concat(chunks));
    const [hashes, reference] = [frameHashes(got), frameHashes(film)];
    await rm(work, { recursive: true });
    expect(hashes.length).toBeGreaterThan(30);
    expect(hashes.slice(0, -1)).toEqual(reference.slice(0, hashes.length - 1));
  }, 240_000);
});

describeWith(['root', 'image-parts', 'go', 'openssl'], 'the operator of the image', () => {
  it('finds the API server as a pod does, with the rights of the chart, and is ready', async () => {
    const plane = await startControlPlane();
    const root = path.join(await mkdtemp(path.join(tmpdir(), 'homing-image-pod-')), 'root');
    try {
      const applied = [
        ...makeDefinitions(),
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace } },
      ];
      await applyAll(plane, applied);
      const kinds = new Set([
        'ServiceAccount',
        'ClusterRole',
        'ClusterRoleBinding',
        'Role',
        'RoleBinding',
        'Lease',
        'Secret',
      ]);
      await applyAll(
        plane,
        (await template()).filter(({ kind }) => kinds.has(kind)).map(({ value }) => value),
      );
      const token = (
        await plane.kubectl('--namespace', systemNamespace, 'create', 'token', operatorName)
      ).stdout.trim();

      process.umask(0o022);
      const { base, app } = await assembleRoot(top, path.dirname(root));
      for (const folder of [base, app]) await cp(folder, root, { recursive: true, verbatimSymlinks: true });
      const account = path.join(root, 'var/run/secrets/kubernetes.io/serviceaccount');
      await mkdir(account, { recursive: true });
      await writeFile(path.join(account, 'token'), token, { mode: 0o644 });
      await writeFile(path.join(account, 'ca.crt'), plane.caPem);
      await writeFile(path.join(account, 'namespace'), systemNamespace);
      await chmod(path.dirname(root), 0o755);

      const [listen = 0, metrics = 0] = await freePorts(2);
      const { Entrypoint } = await containerConfig();
      const command = [...[Entrypoint].flat().map(String), 'operator', '--json'];
      const args = [`--listen=127.0.0.1:${listen}`, `--metrics=127.0.0.1:${metrics}`];
      const inside = ['chroot', '--userspec=65532:65532', root, ...command, ...args];
      const env = {
        PATH: '/usr/bin:/usr/sbin:/bin:/sbin',
        TINI_SUBREAPER: '1',
        KUBERNETES_SERVICE_HOST: '127.0.0.1',
        KUBERNETES_SERVICE_PORT: String(plane.port),
        POD_NAME: 'homing-operator-x',
      };
      const operator = spawn(inside[0] ?? '', inside.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] });
      let said = '';
      for (const stream of [operator.stdout, operator.stderr])
        stream.on('data', (text) => (said += String(text)));
      const isReady = async () =>
        (await fetch(`http://127.0.0.1:${metrics}/readyz`).catch(() => undefined))?.status ?? said;
      await expect.poll(isReady, { timeout: 30_000 }).toBe(200);
      const closed = once(operator, 'close');
      operator.kill('SIGTERM');
      await closed;
      const ca = await plane.kubectl(
        '--namespace',
        systemNamespace,
        'get',
        'secret',
        caSecretName,
        '--output=name',
      );
      expect(ca.stdout).toBe(`secret/${caSecretName}\n`);
    } finally {
      await plane.stop();
      await rm(path.dirname(root), { recursive: true });
    }
  }, 1_200_000);
});

async function applyAll(plane: ControlPlane, objects: readonly unknown[]): Promise<void> {
  const stdin = objects.map((object) => JSON.stringify(object)).join('\n---\n');
  const { code, stderr } = await plane.kubectl('apply', '--server-side', '--filename', '-', { stdin });
  expect(`${code} ${code === 0 ? '' : stderr}`).toBe('0 ');
}
