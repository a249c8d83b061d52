/** Where the cluster is and who we are: a kubeconfig, or the pod's service account, read again when it stopped working. */
import type { RequestOptions } from 'node:https';
import type { OutgoingHttpHeaders } from 'node:http';
import { KubeConfig } from '@kubernetes/client-node';
import { ConfigError } from '../../crds/config-error.ts';
import { quote } from '../../protocol/result.ts';

export interface KubeconfigPlace {
  /** A kubeconfig; without one the usual places: KUBECONFIG, the home's, the pod's service account. */
  readonly path?: string | undefined;
  readonly context?: string | undefined;
  /** What stands before `/var/run/secrets/kubernetes.io/serviceaccount`: asks for the pod's service account. */
  readonly serviceAccountPrefix?: string | undefined;
}

/** What a request needs. */
export interface Access {
  readonly server: URL;
  /** TLS options; an agent only where the kubeconfig names a proxy. */
  readonly options: RequestOptions;
  readonly headers: OutgoingHttpHeaders;
}

export interface Kubeconfig {
  /** CA and token files are read anew for it (the token at most once a minute). Rejects where credentials cannot be had. */
  access(): Promise<Access>;
  /** Reads everything again and forgets cached credentials. What cannot be read leaves it as it was. */
  reload(): void;
}

/** Throws ConfigError where there is no cluster. */
export function readKubeconfig(place: KubeconfigPlace): Kubeconfig {
  let config = load(place);
  return {
    access: () => accessOf(config),
    reload: () => {
      try {
        config = load(place);
      } catch {
        // Files are replaced one after the other: the next failure looks again.
      }
    },
  };
}

function load(place: KubeconfigPlace): KubeConfig {
  const config = new KubeConfig();
  try {
    if (place.path !== undefined) config.loadFromFile(place.path);
    else if (place.serviceAccountPrefix === undefined) config.loadFromDefault();
    else config.loadFromCluster(place.serviceAccountPrefix);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigError({ file: place.path ?? 'kubeconfig', message: `cannot be read: ${why}` });
  }
  chooseContext(config, place.context);
  serverOf(config);
  return config;
}

function chooseContext(config: KubeConfig, context: string | undefined): void {
  if (context === undefined) return;
  const names = config.getContexts().map(({ name }) => name);
  if (!names.includes(context)) {
    throw new ConfigError(`the kubeconfig has no context ${quote(context)}: there are ${names.join(', ')}`);
  }
  config.setCurrentContext(context);
}

function serverOf(config: KubeConfig): URL {
  const server = config.getCurrentCluster()?.server;
  // What client-node falls back to where it found nothing at all.
  if (server === undefined || server === 'http://localhost:8080') {
    throw new ConfigError('no cluster is configured: say --kubeconfig FILE, set KUBECONFIG, or run in a pod');
  }
  const url = URL.parse(server);
  if (url?.protocol !== 'https:') {
    throw new ConfigError(
      `the kubeconfig's server ${quote(server)} is not an https address: credentials go over TLS only`,
    );
  }
  return url;
}

async function accessOf(config: KubeConfig): Promise<Access> {
  const headers: OutgoingHttpHeaders = {};
  const options: RequestOptions = { headers };
  await config.applyToHTTPSOptions(options);
  // A token file ends with a line end that no header may hold.
  const authorization = headers['Authorization'];
  if (typeof authorization === 'string') headers['Authorization'] = authorization.trim();
  if (config.getCurrentCluster()?.proxyUrl === undefined) delete options.agent;
  return { server: serverOf(config), options, headers };
}
