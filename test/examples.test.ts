import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assignResources } from '../agent/control/assignment.ts';
import { formatProblem } from '../crds/config-error.ts';
import { parseResources } from '../agent/control/resource-files.ts';
import { groupResources } from '../agent/control/resources.ts';

/** Manifests for clusters: test/chart/examples.test.ts and test/e2e/crds.test.ts look at those. */
const installations: ReadonlySet<string> = new Set(['argo-cd', 'flux', 'k3s', 'samples']);

const examples = new URL('../examples/', import.meta.url).pathname;

describe('examples', async () => {
  const folders = await listFolders();

  it('are there', () => expect(folders).toContain('plain-machines'));

  it.each(folders)(
    '%s is taken without a mistake, and means something to each server in it',
    async (folder) => {
      const names = (await readdir(join(examples, folder))).filter((name) => name.endsWith('.yaml'));
      const read = await Promise.all(
        names.map(async (name) => parseResources(name, await readFile(join(examples, folder, name), 'utf8'))),
      );
      expect(read.flatMap(({ problems }) => problems).map(formatProblem)).toEqual([]);
      const resources = groupResources(read.flatMap(({ loaded }) => loaded));
      expect(resources.homeServers.length).toBeGreaterThan(0);
      for (const { resource } of resources.homeServers) {
        expect(assignResources(resources, resource.metadata.name).server).toBe(resource);
      }
    },
  );

  it('let the Pi of plain-machines open its cameras with the credentials of the Secret', async () => {
    const names = ['servers.yaml', 'cameras.yaml', 'secrets.yaml'];
    const texts = await Promise.all(
      names.map(async (name) => readFile(join(examples, 'plain-machines', name), 'utf8')),
    );
    const { loaded } = parseResources('all.yaml', texts.join('\n---\n'));
    const { cameras, suspendedClients } = assignResources(groupResources(loaded), 'pi');
    expect(cameras.map(({ name, credentials }) => [name, credentials?.username])).toEqual([
      ['yard/door', 'viewer'],
      ['yard/garden', undefined],
    ]);
    expect([...suspendedClients]).toEqual(['yard/doorbell']);
  });
});

async function listFolders(): Promise<readonly string[]> {
  const names = await readdir(examples);
  const kinds = await Promise.all(
    names.map(async (name) => (await stat(join(examples, name))).isDirectory()),
  );
  return names.filter((name, index) => kinds[index] === true && !installations.has(name));
}
