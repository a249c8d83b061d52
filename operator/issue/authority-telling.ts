/** Says at every TrustBundle why no CA issues, while an operator that starts waits for it. */
import type { TrustBundle } from '../../crds/trust-bundle.ts';
import type { KubeConnection } from '../kube/connection.ts';
import { trustBundles } from '../kube/kinds.ts';
import { applyObject } from '../kube/objects.ts';
import { isUnreadable, readTrustBundle } from '../reconcile/bundle-reading.ts';
import { stampConditions, verdictsOf } from '../reconcile/conditions.ts';
import { trustBundleReasons } from '../reconcile/trust-reasons.ts';
import type { AuthorityProblem } from '../reconcile/trust.ts';

const verdict = verdictsOf(trustBundleReasons);

/** Writes where it is not said yet; all else of a status stays. @param bundles as the API server has them */
export async function tellBundles(
  connection: KubeConnection,
  bundles: readonly unknown[],
  { reason, message, nowMs }: AuthorityProblem & { readonly nowMs: number },
): Promise<void> {
  const ready = verdict('Ready', reason, message);
  const silent = bundles
    .map(readTrustBundle)
    .filter((bundle): bundle is TrustBundle => !isUnreadable(bundle))
    .filter(({ status }) => {
      const present = status?.conditions?.find(({ type }) => type === 'Ready');
      return present?.reason !== reason || present.message !== ready.message;
    });
  for (const { metadata, status } of silent) {
    const stamp = { generation: metadata.generation, now: new Date(nowMs).toISOString() };
    const conditions = stampConditions([ready], status?.conditions, stamp);
    const object = { metadata: { name: metadata.name }, status: { ...status, conditions } };
    await applyObject(connection, trustBundles, object, { subresource: 'status' });
  }
}
