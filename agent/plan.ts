/** What one agent is to do, out of its options and resources, with every file that it needs read and judged. */
import type { HomeServer } from '../crds/home-server.ts';
import { loadCertificates, type CertifiedCamera } from './bridges.ts';
import { assignResources, type Assignment } from './control/assignment.ts';
import { ConfigError, type ConfigProblem } from '../crds/config-error.ts';
import type { Resources } from './control/resources.ts';
import { readTrustBundles, type BundleTexts } from './control/trust-sources.ts';
import { loadIdentity, type Identity } from '../tls/identity.ts';

export interface PlanOptions {
  /** Its name: that of its HomeServer and certificate, and what cameras call their bridge. */
  readonly name: string;
  /** `ca.crt` and `deny.txt` in a folder, or a file of anchors. */
  readonly trust?: string;
  /** Of the server. */
  readonly certificate?: { readonly certPath: string; readonly keyPath: string };
  /** Folder of the cameras' certificates. */
  readonly clientCertificates?: string;
  /** Folder of `file` sources. */
  readonly media?: string;
}

/** A server to run, and what certifies it. */
export interface ServerPlan {
  readonly resource: HomeServer;
  readonly identity: Identity;
  readonly assignment: Assignment;
}

export interface Plan {
  readonly bundles: readonly BundleTexts[];
  /** Absent: client only. */
  readonly server?: ServerPlan;
  /** `host:port` of servers that the files name by address. */
  readonly externalAddresses: readonly string[];
  readonly cameras: readonly CertifiedCamera[];
}

/**
 * Makes the plan.
 *
 * @throws ConfigError with everything that is wrong, in resources, options and certificates
 */
export async function makePlan(resources: Resources, options: PlanOptions): Promise<Plan> {
  const problems: ConfigProblem[] = [];
  const gather = async <Value>(run: () => Value | Promise<Value>, otherwise: Value): Promise<Value> => {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
      return otherwise;
    }
  };
  const bundles = await gather(() => readTrustBundles(resources), []);
  const assignment = await gather(() => assignResources(resources, options.name), nothingAssigned);
  problems.push(...findMissingOptions(resources, assignment, options));
  const server = await gather(async () => loadServer(assignment, options), {});
  const cameras = await gather(
    async () => loadCertificates(assignment.cameras, options.clientCertificates),
    [],
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return { bundles, ...server, externalAddresses: assignment.externalAddresses, cameras };
}

const nothingAssigned: Assignment = { cameras: [], suspendedClients: new Set(), externalAddresses: [] };

function findMissingOptions(
  { trustBundles }: Resources,
  { cameras }: Assignment,
  { trust, media }: PlanOptions,
): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  if (trust === undefined && trustBundles.length === 0) {
    problems.push({ message: 'nobody is trusted: needs --trust ca.crt, or a TrustBundle in the resources' });
  }
  const files = cameras.filter(({ sourceKind }) => sourceKind === 'file').map(({ name }) => name);
  if (media === undefined && files.length > 0) {
    problems.push({
      message: `${files.join(', ')}: a file source needs --media DIR, the folder with its file`,
    });
  }
  return problems;
}

async function loadServer(assignment: Assignment, options: PlanOptions): Promise<Pick<Plan, 'server'>> {
  const { server: resource } = assignment;
  if (resource === undefined) return {};
  return { server: { resource, identity: await loadServerIdentity(options), assignment } };
}

async function loadServerIdentity({ name, certificate }: PlanOptions): Promise<Identity> {
  if (certificate === undefined) {
    throw new ConfigError(
      `server ${name} needs --cert and --key, with what 'homing ca issue --server ${name}' wrote`,
    );
  }
  const { certPath, keyPath } = certificate;
  const identity = await loadIdentity(certPath, keyPath);
  const { role, name: certified } = identity.leaf;
  if (role !== 'server' || certified !== name) {
    throw new ConfigError({
      file: certPath,
      message: `is the certificate of ${role} ${certified}: must be that of server ${name} (homing ca issue --server ${name})`,
    });
  }
  return identity;
}
