/** `ca`, `announce` and `verify` as processes: what they print, write and exit with. */
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runHoming } from '../support/homing.ts';

let folder = '';
const homing = (...args: readonly string[]) => runHoming(folder, ...args);
const inFolder = (name: string) => path.join(folder, name);
const modeOf = async (name: string) => ((await stat(inFolder(name))).mode & 0o777).toString(8);
const announcing = [
  '--features',
  'hcsp,record',
  '--connected',
  '0',
  '--max',
  '5',
  '--address',
  '192.168.1.9:17320',
];
const announce = (name: string, ...more: readonly string[]) =>
  homing('announce', '--cert', `certs/${name}.crt`, '--key', `certs/${name}.key`, ...announcing, ...more);

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'homing-cli-'));
  const all = [
    await homing('ca', 'init', '--out', 'ca'),
    await homing('ca', 'init', '--out', 'stranger'),
    await homing('ca', 'issue', '--ca', 'ca', '--server', 'pi', '--ip', '192.168.1.9', '--out', 'certs'),
    await homing('ca', 'issue', '--ca', 'ca', '--client', 'door', '--out', 'certs'),
    await homing('ca', 'issue', '--ca', 'stranger', '--server', 'impostor', '--out', 'certs'),
    await announce('pi', '--out', 'm1.der'),
  ];
  const failed = all.find(({ exitCode }) => exitCode !== 0);
  if (failed !== undefined) throw new Error(failed.stderr);
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

describe('homing ca', () => {
  it('makes a key that nobody else can read', async () => {
    expect(await modeOf('ca/ca.key')).toBe('600');
    expect(await modeOf('certs/pi.key')).toBe('600');
  });

  it('never overwrites a CA', async () => {
    const before = await readFile(inFolder('ca/ca.crt'), 'utf8');
    const again = await homing('ca', 'init', '--out', 'ca');
    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('never overwritten') });
    expect(await readFile(inFolder('ca/ca.crt'), 'utf8')).toBe(before);
  });

  it('prints the identifier, and keeps it and the key when it issues again', async () => {
    const key = await readFile(inFolder('certs/pi.key'), 'utf8');
    const before = await readFile(inFolder('certs/pi.crt'), 'utf8');
    const issue = ['ca', 'issue', '--ca', 'ca', '--server', 'pi', '--days', '9', '--out', 'certs'];
    const first = await homing(...issue);
    expect(first.stdout).toMatch(/^hcsp:[A-Za-z0-9+/]{22}\n$/);
    const second = await homing(...issue, '--json');
    expect(JSON.parse(second.stdout)).toMatchObject({
      id: first.stdout.trim(),
      role: 'server',
      name: 'pi',
      isKeyKept: true,
    });
    expect(await readFile(inFolder('certs/pi.key'), 'utf8')).toBe(key);
    expect(await readFile(inFolder('certs/pi.crt'), 'utf8')).not.toBe(before);
  });

  it('puts clients into the namespace default where none is said', async () => {
    const { stdout } = await homing(
      'ca',
      'issue',
      '--ca',
      'ca',
      '--client',
      'door',
      '--out',
      'certs',
      '--json',
    );
    expect(JSON.parse(stdout)).toMatchObject({
      role: 'client',
      name: 'default/door',
      id: expect.stringMatching(/^ab:/),
    });
  });

  it.concurrent.each([
    {
      what: 'two clients of one file name',
      args: ['--client', 'garden/door', '--out', 'certs'],
      stderr: /of the client default\/door/,
    },
    { what: 'neither server nor client', args: ['--out', 'certs'], stderr: /--server NAME or --client/ },
    {
      what: 'both',
      args: ['--server', 'a', '--client', 'b', '--out', 'certs'],
      stderr: /--server NAME or --client/,
    },
    {
      what: 'a name that leaves the folder',
      args: ['--server', '../pi', '--out', 'certs'],
      stderr: /no DNS label/,
    },
    {
      what: 'a client’s name of three parts',
      args: ['--client', 'a/b/c', '--out', 'certs'],
      stderr: /NAMESPACE\/NAME/,
    },
    { what: 'no days', args: ['--server', 'nuc', '--days', '0', '--out', 'certs'], stderr: /1 to 36500/ },
    {
      what: 'no IP address',
      args: ['--server', 'nuc', '--ip', 'nuc', '--out', 'certs'],
      stderr: /no IP address/,
    },
    { what: 'no --out', args: ['--server', 'nuc'], stderr: /--out/ },
  ])('refuses $what', async ({ args, stderr }) => {
    const result = await homing('ca', 'issue', '--ca', 'ca', ...args);
    expect(result).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringMatching(stderr) });
  });

  it('says where a CA is missing, and does not take a certificate for one', async () => {
    const none = await homing('ca', 'issue', '--ca', 'none', '--server', 'nuc', '--out', 'certs');
    expect(none).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('homing ca init --out none') });
    await mkdir(inFolder('mixed'));
    await copyFile(inFolder('ca/ca.crt'), inFolder('mixed/ca.crt'));
    await copyFile(inFolder('stranger/ca.key'), inFolder('mixed/ca.key'));
    const mixed = await homing('ca', 'issue', '--ca', 'mixed', '--server', 'nuc', '--out', 'certs');
    expect(mixed).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('the one of mixed/ca.key') });
  });

  it('does not take a file that is no key for one, and does not overwrite it', async () => {
    await writeFile(inFolder('certs/nuc.key'), 'hello');
    const result = await homing('ca', 'issue', '--ca', 'ca', '--server', 'nuc', '--out', 'certs');
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('certs/nuc.key') });
    expect(await readFile(inFolder('certs/nuc.key'), 'utf8')).toBe('hello');
  });
});

describe('homing announce and verify', () => {
  it('agree', async () => {
    const result = await homing('verify', 'm1.der', '--trust', 'ca/ca.crt');
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^valid: server pi \(hcsp:/) });
    const { exitCode, stdout } = await homing('verify', 'm1.der', '--trust', 'ca/ca.crt', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      valid: true,
      server: 'pi',
      address: '192.168.1.9:17320',
      features: ['hcsp', 'record'],
      connected: 0,
      max: 5,
      fitsDatagram: true,
    });
  });

  it('drop what another CA signed, with the reason', async () => {
    await announce('impostor', '--out', 'm2.der');
    const result = await homing('verify', 'm2.der', '--trust', 'ca/ca.crt');
    expect(result).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/^dropped: unknown-ca\n/) });
    const { exitCode, stdout } = await homing('verify', 'm2.der', '--trust', 'ca/ca.crt', '--json');
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ valid: false, reason: 'unknown-ca' });
  });

  it('drop what is denied in the folder of the trust set', async () => {
    const { stdout } = await homing('verify', 'm1.der', '--trust', 'ca/ca.crt', '--json');
    const verdict: unknown = JSON.parse(stdout);
    expect(verdict).toHaveProperty('publicKey', expect.stringMatching(/^sha256:[0-9a-f]{64}$/));
    const { publicKey } = Object(verdict);
    await writeFile(inFolder('stranger/deny.txt'), `${publicKey}\n`);
    const ca = await readFile(inFolder('ca/ca.crt'));
    await writeFile(inFolder('stranger/ca.crt'), ca);
    const denied = await homing('verify', 'm1.der', '--trust', 'stranger');
    expect(denied).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/^dropped: denied/) });
  });

  it.concurrent.each([
    { what: 'a file that is not there', args: ['none.der', '--trust', 'ca/ca.crt'], stderr: /none\.der/ },
    { what: 'trust that is not there', args: ['m1.der', '--trust', 'none'], stderr: /none/ },
    { what: 'trust that is a key', args: ['m1.der', '--trust', 'ca/ca.key'], stderr: /private key/ },
    { what: 'no trust', args: ['m1.der'], stderr: /--trust/ },
  ])('call $what wrong usage', async ({ args, stderr }) => {
    const result = await homing('verify', ...args);
    expect(result).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringMatching(stderr) });
  });

  it('drop what is no message at all', async () => {
    await writeFile(inFolder('zeros.der'), Buffer.alloc(100_000));
    const result = await homing('verify', 'zeros.der', '--trust', 'ca/ca.crt');
    expect(result).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/^dropped: too-large/) });
  });

  it.concurrent.each([
    { what: 'a camera', name: 'door', more: ['--out', 'm3.der'], stderr: /of a client, not of a server/ },
    {
      what: 'an unknown interface',
      name: 'pi',
      more: ['--interface', 'none0'],
      stderr: /no interface none0/,
    },
    {
      what: 'file and interface',
      name: 'pi',
      more: ['--interface', 'lo', '--out', 'm3.der'],
      stderr: /not both/,
    },
    { what: 'a bad feature', name: 'pi', more: ['--features', 'A B', '--out', 'm3.der'], stderr: /feature/ },
    {
      what: 'a bad address',
      name: 'pi',
      more: ['--address', 'pi:17320', '--out', 'm3.der'],
      stderr: /ADDRESS:PORT/,
    },
    {
      what: 'too many clients',
      name: 'pi',
      more: ['--max', '100001', '--out', 'm3.der'],
      stderr: /0 to 100000/,
    },
  ])('announce nothing of $what', async ({ name, more, stderr }) => {
    expect(await announce(name, ...more)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(stderr),
    });
  });

  it('announce on loopback as often as asked', async () => {
    const { exitCode, stdout } = await announce('pi', '--interface', 'lo', '--count', '2', '--json');
    expect(exitCode).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({ event: 'announced', interfaces: ['lo'], address: '192.168.1.9:17320' });
  });
});

describe('help', () => {
  it.concurrent.each([['ca'], ['ca', 'init'], ['ca', 'issue'], ['announce'], ['verify']])(
    'of %s %s has examples',
    async (...command) => {
      const { exitCode, stdout } = await homing(...command, '--help');
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(/Examples?:\n +homing/);
    },
  );
});
