/** The resources that the operator follows, each by list and watch. */
import type { KubeConnection } from './kube/connection.ts';
import { watchResources, type Informer } from './kube/informer.ts';
import { cameraClients, homeServers, nodes, type ResourceKind } from './kube/kinds.ts';

export interface ClusterWatches {
  readonly homeServers: Informer;
  readonly cameraClients: Informer;
  readonly nodes: Informer;
  /** Everything has been listed once. */
  readonly isSynced: boolean;
  close(): void;
}

export interface ClusterWatchesOptions {
  readonly connection: KubeConnection;
  readonly onChange: () => void;
  /** At most once a minute a kind. */
  readonly onProblem: (message: string) => void;
  readonly nowMs: () => number;
}

const tellEveryMs = 60_000;

/** Starts them. */
export function watchCluster(options: ClusterWatchesOptions): ClusterWatches {
  const watches = {
    homeServers: watchKind(homeServers, options),
    cameraClients: watchKind(cameraClients, options),
    nodes: watchKind(nodes, options),
  };
  const all = Object.values(watches);
  return {
    ...watches,
    get isSynced() {
      return all.every(({ isSynced }) => isSynced);
    },
    close: () => all.forEach((informer) => informer.close()),
  };
}

function watchKind(kind: ResourceKind, options: ClusterWatchesOptions): Informer {
  const { connection, onChange, onProblem, nowMs } = options;
  let toldMs = -tellEveryMs;
  return watchResources({
    connection,
    kind,
    onChange,
    onError: (error) => {
      if (nowMs() - toldMs < tellEveryMs) return;
      toldMs = nowMs();
      onProblem(describeProblem(kind, error));
    },
  });
}

function describeProblem({ plural }: ResourceKind, error: Error): string {
  const status: unknown = Reflect.get(error, 'status');
  if (status === 404)
    return `the cluster does not know ${plural}: install the CRDs (helm does, or kubectl apply -f crds/)`;
  if (status === 403) return `we may not list ${plural}: ${error.message}`;
  return `watching ${plural}: ${error.message}`;
}
