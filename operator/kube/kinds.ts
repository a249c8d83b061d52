/** The kinds of resources that we ask for, and where the API server has them. */

export interface ResourceKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly isNamespaced: boolean;
}

const ours = 'homing.dev/v1alpha1';

export const homeServers: ResourceKind = {
  apiVersion: ours,
  kind: 'HomeServer',
  plural: 'homeservers',
  isNamespaced: false,
};
export const cameraClients: ResourceKind = {
  apiVersion: ours,
  kind: 'CameraClient',
  plural: 'cameraclients',
  isNamespaced: true,
};
export const trustBundles: ResourceKind = {
  apiVersion: ours,
  kind: 'TrustBundle',
  plural: 'trustbundles',
  isNamespaced: false,
};
export const nodes: ResourceKind = { apiVersion: 'v1', kind: 'Node', plural: 'nodes', isNamespaced: false };
export const pods: ResourceKind = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', isNamespaced: true };
export const secrets: ResourceKind = {
  apiVersion: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  isNamespaced: true,
};
export const daemonSets: ResourceKind = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  isNamespaced: true,
};
export const configMaps: ResourceKind = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  isNamespaced: true,
};

/** `/apis/homing.dev/v1alpha1/homeservers`, with the namespace and the name where there are. */
export function pathOf(
  kind: ResourceKind,
  { namespace, name }: { namespace?: string | undefined; name?: string } = {},
): string {
  const root = kind.apiVersion.includes('/') ? '/apis' : '/api';
  const scope = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  const tail = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${root}/${kind.apiVersion}${scope}/${kind.plural}${tail}`;
}
