/** Reads our resources from a cluster, with the rights of whoever runs the command: `kubectl homing status` and `rank`. */
import type { Command } from 'commander';
import type { KubeConnection } from '../operator/kube/connection.ts';
import { readClusterHome, type ClusterHome } from './cluster-home.ts';
import { CommandError, exitCodes } from './output.ts';

/** Which cluster. */
export interface ClusterFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
}

const timeoutMs = 15_000;
const api = '/apis/homing.dev/v1alpha1';

/** The command with `--kubeconfig` and `--context`. */
export function withCluster(command: Command): Command {
  return command
    .option(
      '--kubeconfig <file>',
      'which cluster (default: KUBECONFIG, ~/.kube/config, the pod that we are in)',
    )
    .option('--context <name>', 'which context of the kubeconfig');
}

/** All HomeServers and CameraClients; a CommandError where they cannot be read. */
export async function readCluster({ kubeconfig, context }: ClusterFlags): Promise<ClusterHome> {
  // Commands that ask no cluster need not load what asks one.
  const { loadKubeConnection } = await import('../operator/kube/connection.ts');
  const connection = await loadKubeConnection(kubeconfig, context);
  try {
    const [homeServers, cameraClients] = await Promise.all([
      listItems(connection, 'homeservers'),
      listItems(connection, 'cameraclients'),
    ]);
    return readClusterHome({ homeServers, cameraClients });
  } finally {
    connection.close();
  }
}

async function listItems(connection: KubeConnection, plural: string): Promise<readonly unknown[]> {
  try {
    const { body } = await connection.request({
      method: 'GET',
      path: `${api}/${plural}`,
      signal: AbortSignal.timeout(timeoutMs),
      timeoutMs,
    });
    const items: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'items') : undefined;
    return Array.isArray(items) ? items : [];
  } catch (error) {
    throw new CommandError(`listing ${plural}: ${explain(error)}`, exitCodes.negative, { cause: error });
  }
}

function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const status: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'status') : undefined;
  if (status === 404) return 'the cluster does not know them: install the chart, or its CRDs';
  return status === 403 ? `${message}: ask for the role homing-view` : message;
}
