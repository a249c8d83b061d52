/** What the sources of a TrustBundle say: inline, or a key of a ConfigMap or Secret of the system namespace. Pure. */
import type { TrustBundle } from '../../crds/trust-bundle.ts';
import { parseAnchors, type Anchor } from '../../protocol/anchors.ts';
import type { trustBundleReasons } from './trust-reasons.ts';

/** The text of a source: undefined where it is not there. */
export type ReadSource = (kind: 'configMap' | 'secret', name: string, key: string) => string | undefined;

export interface BundleReading {
  readonly anchors: readonly Anchor[];
  /** The first that is wrong; its anchors are then not complete. */
  readonly problem?: { readonly reason: keyof typeof trustBundleReasons.Ready; readonly message: string };
}

const maxSourceCharacters = 1_048_576;

type Source = NonNullable<TrustBundle['spec']['sources']>[number];

/** Reads every source of a bundle. */
export function readBundle({ spec }: TrustBundle, read: ReadSource): BundleReading {
  const readings = (spec.sources ?? []).map((source, index) => readSource(source, index, read));
  const anchors = new Map(
    readings.flatMap((reading) => reading.anchors).map((anchor) => [anchor.sha256, anchor]),
  );
  const problem = readings.find((reading) => reading.problem !== undefined)?.problem;
  return { anchors: [...anchors.values()], ...(problem === undefined ? {} : { problem }) };
}

function readSource(source: Source, index: number, read: ReadSource): BundleReading {
  const { text, place } = textOf(source, index, read);
  const wrong = (reason: keyof typeof trustBundleReasons.Ready, what: string): BundleReading => ({
    anchors: [],
    problem: { reason, message: `${place}: ${what}` },
  });
  if (text === undefined) return wrong('SourceNotFound', 'is not there');
  if (text.length > maxSourceCharacters) return wrong('TooLarge', `has ${text.length} characters`);
  const anchors = parseAnchors(text);
  if (anchors.ok) return { anchors: anchors.value };
  return wrong(anchors.reason === 'private-key' ? 'PrivateKey' : 'SourceInvalid', anchors.detail);
}

function textOf(source: Source, index: number, read: ReadSource) {
  const { inline, configMap, secret } = source;
  if (inline !== undefined) return { text: inline, place: `spec.sources[${index}].inline` };
  const kind = configMap === undefined ? 'secret' : 'configMap';
  const { name = '', key = 'ca.crt' } = configMap ?? secret ?? {};
  return { text: read(kind, name, key), place: `${kind} ${name}, key ${key}` };
}
