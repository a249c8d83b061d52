/** TrustBundles out of files: their sources looked up, ready to be united with the trust folder. */
import { quote } from '../../protocol/result.ts';
import type { TrustBundle } from '../../crds/trust-bundle.ts';
import { ConfigError, type ConfigProblem } from '../../crds/config-error.ts';
import { listKeys, readKey, type ConfigMap, type Secret } from './kubernetes-kinds.ts';
import { problemAt, type Loaded, type Resources } from './resources.ts';
import type { FieldPath } from './yaml-documents.ts';

/** What a trust folder's `ca.crt` and `deny.txt` would hold. */
export interface BundleTexts {
  /** Where it is from, for messages: `TrustBundle home (trust.yaml:1)`. */
  readonly origin: string;
  readonly anchorsPem: string;
  /** SHA-256 of an SPKI, or an identifier, one a line. */
  readonly denyText: string;
}

/**
 * The texts of every TrustBundle, in their order.
 *
 * @throws ConfigError where a ConfigMap, Secret or key is not in the files, or holds a private key
 */
export function readTrustBundles(resources: Resources): readonly BundleTexts[] {
  const problems: ConfigProblem[] = [];
  const bundles = resources.trustBundles.map((loaded) => {
    const { spec, metadata } = loaded.resource;
    const sources = (spec.sources ?? []).map((source, index) => {
      const found = readSource(source, resources);
      if ('text' in found) return found.text;
      problems.push(problemAt(loaded, ['spec', 'sources', index, ...found.path], found.message));
      return '';
    });
    return {
      origin: `TrustBundle ${metadata.name} (${loaded.file}:${loaded.document.line})`,
      anchorsPem: sources.join('\n'),
      denyText: denyTextOf(loaded.resource),
    };
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return bundles;
}

/** As `deny.txt` would say it. */
export function denyTextOf({ spec }: Pick<TrustBundle, 'spec'>): string {
  return (spec.deny ?? []).map(({ sha256, identifier }) => `${sha256 ?? identifier ?? ''}\n`).join('');
}

type Source = NonNullable<TrustBundle['spec']['sources']>[number];
type Found = { readonly text: string } | { readonly path: FieldPath; readonly message: string };

function readSource(source: Source, resources: Resources): Found {
  if (source.inline !== undefined) return { text: source.inline };
  const { configMap, secret } = source;
  if (configMap !== undefined) return lookUp('configMap', configMap, resources.configMaps);
  if (secret !== undefined) return lookUp('secret', secret, resources.secrets);
  return { path: [], message: 'exactly one of inline, configMap, secret' };
}

/** By name in any namespace: a TrustBundle has none, and in a cluster all is in one. */
function lookUp(
  field: 'configMap' | 'secret',
  reference: { readonly name: string; readonly key: string },
  among: readonly Loaded<Secret | ConfigMap>[],
): Found {
  const kind = field === 'secret' ? 'Secret' : 'ConfigMap';
  const named = among.filter(({ resource }) => resource.metadata.name === reference.name);
  const [first, second] = named;
  if (first === undefined) {
    return {
      path: [field, 'name'],
      message: `found ${quote(reference.name)}: no ${kind} of that name is in the files`,
    };
  }
  if (second !== undefined) {
    return {
      path: [field, 'name'],
      message: `found ${quote(reference.name)}: ${kind}s of that name are in several namespaces`,
    };
  }
  const text = readKey(first.resource, reference.key);
  if (text === undefined) {
    const keys = listKeys(first.resource).join(', ');
    return {
      path: [field, 'key'],
      message: `found ${quote(reference.key)}: ${kind} ${reference.name} has ${keys || 'no keys'}`,
    };
  }
  if (text.includes('PRIVATE KEY')) {
    return {
      path: [field],
      message: `${kind} ${reference.name} holds a private key under ${reference.key}: put certificates only, and treat that key as leaked`,
    };
  }
  return { text };
}
