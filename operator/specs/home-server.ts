/** The HomeServer of a node, as its agent's first enrolment makes it: all defaults, gone with the node. Pure. */
import { homingApiVersion } from '../../crds/metadata.ts';
import type { ClusterNode } from '../reconcile/world.ts';

/** The manifest. Git may declare the same name: it is the same object then. */
export function homeServerOfNode({ name, uid }: Pick<ClusterNode, 'name' | 'uid'>) {
  return {
    apiVersion: homingApiVersion,
    kind: 'HomeServer',
    metadata: { name, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }] },
    spec: {},
  };
}
