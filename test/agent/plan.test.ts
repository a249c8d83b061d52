import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, formatProblem } from '../../crds/config-error.ts';
import { parseResources } from '../../agent/control/resource-files.ts';
import { groupResources } from '../../agent/control/resources.ts';
import { makePlan, type Plan, type PlanOptions } from '../../agent/plan.ts';
import type { Identity } from '../../tls/identity.ts';
import { mintHome } from '../support/certificates.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'homing-plan-'));
  const home = await mintHome();
  const write = async (name: string, identity: Identity, keyMode = 0o600): Promise<void> => {
    await writeFile(join(folder, `${name}.crt`), identity.certificatePem);
    await writeFile(join(folder, `${name}.key`), identity.keyPem, { mode: keyMode });
  };
  await write('pi', await home.server('pi'));
  await write('door', await home.client('default/door'));
  await write('yard', await home.client('elsewhere/yard'));
  await write('open', await home.client('default/open'), 0o644);
});
afterAll(async () => rm(folder, { recursive: true }));

const server = 'apiVersion: homing.dev/v1alpha1\nkind: HomeServer\nmetadata: {name: pi}\nspec: {}\n';
const camera = (name: string, source = '{test: {}}'): string =>
  `apiVersion: homing.dev/v1alpha1\nkind: CameraClient\nmetadata: {name: ${name}}\nspec: {source: ${source}, bridge: {servers: [pi]}}\n`;

async function plan(options: Partial<PlanOptions>, ...documents: readonly string[]): Promise<Plan> {
  const { loaded, problems } = parseResources('home.yaml', documents.join('---\n'));
  expect(problems).toEqual([]);
  return makePlan(groupResources(loaded), { name: 'pi', ...options });
}

async function problemsOf(planning: Promise<Plan>): Promise<readonly string[]> {
  const error: unknown = await planning.catch((thrown: unknown) => thrown);
  if (!(error instanceof ConfigError)) throw new Error('nothing was wrong', { cause: error });
  return error.problems.map(formatProblem);
}

const certificateOf = (name: string) => ({
  certPath: join(folder, `${name}.crt`),
  keyPath: join(folder, `${name}.key`),
});

describe('a plan', () => {
  it('is the server with its certificate, and each camera with its own', async () => {
    const options = { certificate: certificateOf('pi'), clientCertificates: folder, trust: folder };
    const made = await plan(options, server, camera('door'));
    expect(made.server?.identity.leaf).toMatchObject({ role: 'server', name: 'pi' });
    expect(made.server?.resource.spec.max).toBe(16);
    expect(made.cameras.map(({ identity }) => identity.leaf.name)).toEqual(['default/door']);
  });

  it('needs no server certificate where it is client only', async () => {
    const made = await plan({ clientCertificates: folder, trust: folder }, camera('door'));
    expect(made.server).toBeUndefined();
    expect(made.cameras).toHaveLength(1);
  });
});

describe('everything that is missing is told at once', () => {
  it('trust, certificates and the media folder', async () => {
    expect(
      await problemsOf(plan({}, server, camera('door'), camera('film', '{file: {name: a.ts}}'))),
    ).toEqual([
      'nobody is trusted: needs --trust ca.crt, or a TrustBundle in the resources',
      'default/film: a file source needs --media DIR, the folder with its file',
      "server pi needs --cert and --key, with what 'homing ca issue --server pi' wrote",
      "camera default/door needs a certificate: --client-certs DIR, with what 'homing ca issue --client default/door --out DIR' wrote",
      "camera default/film needs a certificate: --client-certs DIR, with what 'homing ca issue --client default/film --out DIR' wrote",
    ]);
  });

  it('certificates of others', async () => {
    const options = { certificate: certificateOf('door'), clientCertificates: folder, trust: folder };
    const problems = await problemsOf(
      plan(options, server, camera('yard'), camera('pi'), camera('none'), camera('open')),
    );
    expect(problems).toEqual([
      `${folder}/door.crt: is the certificate of client default/door: must be that of server pi (homing ca issue --server pi)`,
      `${folder}/yard.crt: is the certificate of client elsewhere/yard: must be that of client default/yard (homing ca issue --client default/yard)`,
      `${folder}/pi.crt: is the certificate of server pi: must be that of client default/pi (homing ca issue --client default/pi)`,
      expect.stringContaining(`${folder}/none.crt: cannot be read: ENOENT`),
      expect.stringContaining(`${folder}/open.key: others can read this key: chmod 600`),
    ]);
  });
});
