/** The trust folder on a real disk, edited by people and swapped as Kubernetes does. */
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Untimed } from '../../agent/events.ts';
import { type WatchedTrust, watchTrust } from '../../agent/trust-directory.ts';
import { clientUri, mintCa, serverUri } from '../support/chains.ts';

const oldCa = mintCa({ cn: 'Old CA' });
const newCa = mintCa({ cn: 'New CA' });
const keyPem = oldCa.key.export({ type: 'pkcs8', format: 'pem' }).toString();

let folder = '';
let watched: WatchedTrust | undefined;
let events: Untimed[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'homing-trust-'));
  events = [];
});
afterEach(async () => {
  await watched?.close();
  watched = undefined;
  await rm(folder, { recursive: true });
});

async function watch(place = folder): Promise<WatchedTrust> {
  watched = await watchTrust(place, [], (event) => events.push(event));
  return watched;
}

const put = (name: string, text: string) => writeFile(path.join(folder, name), text);
const subjects = (trust: WatchedTrust) => trust.current.anchors.map(({ subject }) => subject);
const warnings = () => events.flatMap((event) => (event.event === 'warning' ? [event.message] : []));
/** Generous: a change applies within a second on an idle machine. */
const soon = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 20 });

describe('a trust folder', () => {
  it('is read with its deny list, and follows an edit', async () => {
    await put('ca.crt', oldCa.pem);
    await put('deny.txt', `${clientUri}\n`);
    const trust = await watch();
    expect(subjects(trust)).toEqual(['CN=Old CA']);
    expect([...trust.current.deniedIds]).toEqual([clientUri]);
    const heard: number[] = [];
    const stop = trust.onChange(({ anchors }) => heard.push(anchors.length));
    await put('ca.crt', oldCa.pem + newCa.pem);
    await soon(() => expect(subjects(trust)).toEqual(['CN=Old CA', 'CN=New CA']));
    expect(heard).toEqual([2]);
    stop();
    await put('ca.crt', newCa.pem);
    await soon(() => expect(subjects(trust)).toEqual(['CN=New CA']));
    expect(heard).toEqual([2]);
  });

  it('applies a denial within a second', async () => {
    await put('ca.crt', oldCa.pem);
    const trust = await watch();
    const startMs = performance.now();
    const denied = new Promise<number>((resolve) => {
      trust.onChange(() => resolve(performance.now() - startMs));
    });
    await put('deny.txt', `${serverUri}\n`);
    // A second is promised; a machine that is busy with other tests gets five.
    expect(await denied).toBeLessThan(5000);
    expect(trust.current.deniedIds.has(serverUri)).toBe(true);
  });

  it('follows a swap of ..data, both files of one version', async () => {
    const version = async (name: string, pem: string, denyText: string) => {
      await mkdir(path.join(folder, name));
      await put(`${name}/ca.crt`, pem);
      await put(`${name}/deny.txt`, denyText);
    };
    const point = async (name: string) => {
      await symlink(name, path.join(folder, '..next'));
      await rename(path.join(folder, '..next'), path.join(folder, '..data'));
    };
    await version('..v1', oldCa.pem, '');
    await point('..v1');
    await symlink('..data/ca.crt', path.join(folder, 'ca.crt'));
    await symlink('..data/deny.txt', path.join(folder, 'deny.txt'));
    const trust = await watch();
    expect(subjects(trust)).toEqual(['CN=Old CA']);
    const seen: string[] = [];
    trust.onChange(({ anchors, deniedIds }) => seen.push(`${anchors[0]?.subject} ${[...deniedIds].join()}`));
    await version('..v2', newCa.pem, serverUri);
    await point('..v2');
    await soon(() => expect(seen).toEqual([`CN=New CA ${serverUri}`]));
  });

  it('keeps what it had while a private key, nothing or half a certificate is in ca.crt, and says so once', async () => {
    await put('ca.crt', oldCa.pem);
    const trust = await watch();
    await put('ca.crt', newCa.pem + keyPem);
    await soon(() => expect(warnings()).toEqual([expect.stringMatching(/ca\.crt.*private key/)]));
    await put('deny.txt', serverUri);
    await soon(() => expect(trust.current.deniedIds.has(serverUri)).toBe(true));
    expect(subjects(trust)).toEqual(['CN=Old CA']);
    expect(warnings()).toHaveLength(1);
    expect(warnings().join()).not.toContain(keyPem.slice(40, 80));
    await put('ca.crt', newCa.pem.slice(0, 100));
    await soon(() => expect(warnings()).toHaveLength(2));
    await rm(path.join(folder, 'ca.crt'));
    await soon(() => expect(warnings()).toHaveLength(3));
    expect(subjects(trust)).toEqual(['CN=Old CA']);
    await put('ca.crt', newCa.pem);
    await soon(() => expect(subjects(trust)).toEqual(['CN=New CA']));
  });

  it('keeps what it had while it is gone', async () => {
    const place = path.join(folder, 'trust');
    await mkdir(place);
    await put('trust/ca.crt', oldCa.pem);
    await put('trust/deny.txt', serverUri);
    const trust = await watch(place);
    await rename(place, `${place}-gone`);
    await soon(() => expect(warnings()).toHaveLength(1));
    expect(subjects(trust)).toEqual(['CN=Old CA']);
    expect([...trust.current.deniedIds]).toEqual([serverUri]);
  });

  it('may be a single file, and then follows it', async () => {
    await put('home.crt', oldCa.pem);
    const trust = await watch(path.join(folder, 'home.crt'));
    await put('home.crt', newCa.pem);
    await soon(() => expect(subjects(trust)).toEqual(['CN=New CA']));
  });

  it('is united with TrustBundles, also when those change', async () => {
    await put('ca.crt', oldCa.pem);
    const trust = await watch();
    await trust.setBundles([{ origin: 'TrustBundle home', anchorsPem: newCa.pem, denyText: serverUri }]);
    expect(subjects(trust)).toEqual(['CN=Old CA', 'CN=New CA']);
    await trust.setBundles([]);
    expect(subjects(trust)).toEqual(['CN=Old CA']);
    expect(trust.current.deniedIds.size).toBe(0);
  });

  it.each([
    { what: 'is not there', files: {}, message: /ca\.crt/ },
    { what: 'holds a private key', files: { 'ca.crt': oldCa.pem + keyPem }, message: /ca\.crt.*private key/ },
    {
      what: 'has a bad line in deny.txt',
      files: { 'ca.crt': oldCa.pem, 'deny.txt': 'hello' },
      message: /line 1: "hello"/,
    },
  ])('is refused at the start when it $what', async ({ files, message }) => {
    for (const [name, text] of Object.entries(files)) await put(name, text);
    const watching = watchTrust(folder, [], () => {});
    await expect(watching).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(message),
    });
  });

  it('is refused at the start when nobody is trusted', async () => {
    await expect(watchTrust(undefined, [], () => {})).rejects.toThrow(/no source has a certificate/);
  });
});
