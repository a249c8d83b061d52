/** Every reason of a TrustBundle's condition: what it means and what to do. docs/conditions.md shows it. */
import type { ReasonNote } from './condition-reasons.ts';

/** Reasons of a TrustBundle's conditions, by type. */
export const trustBundleReasons = {
  Ready: {
    Trusted: { status: 'True', means: 'Its certificates are trusted, and what it denies is denied.' },
    Retained: {
      status: 'True',
      means: 'As Trusted; a certificate that it no longer names is kept while something uses it.',
    },
    SourceNotFound: {
      status: 'False',
      means: 'A ConfigMap or Secret that it names is not in the system namespace, or has no such key.',
      todo: 'Create it in homing-system, or correct the name. What was trusted before stays; what is denied is denied.',
    },
    PrivateKey: {
      status: 'False',
      means: 'A source holds a private key.',
      todo: 'Take it out, and treat that key as leaked: make a new CA. What was trusted before stays.',
    },
    SourceInvalid: {
      status: 'False',
      means: 'A source is not a list of self-signed CA certificates in PEM.',
      todo: 'Correct what the message names. What was trusted before stays; what is denied is denied.',
    },
    TooLarge: {
      status: 'False',
      means: 'A source is larger than a megabyte, or all bundles together have more than 64 certificates.',
      todo: 'Name the few CAs of this home only. What was trusted before stays.',
    },
    AnchorDenied: {
      status: 'False',
      means: 'A certificate that it names is denied, here or in another TrustBundle: denying wins.',
      todo: 'Take one of the two away.',
    },
    CAMissing: {
      status: 'False',
      means:
        'The Secret homing-ca is gone, while servers and cameras trust its CA. Nothing new is made silently.',
      todo: 'Bring it back from a backup or from Git. Only where that CA is given up for good: delete the Secret homing-trust and the TrustBundles, too.',
    },
    CANotSelfSigned: {
      status: 'False',
      means: 'The certificate in the Secret homing-ca is not a root: it was signed by another.',
      todo: 'Use a self-signed CA of Homing’s own (docs/trust.md shows cert-manager, openssl and step-ca).',
    },
    CAInvalid: {
      status: 'False',
      means: 'The Secret homing-ca has no CA certificate with the key that belongs to it.',
      todo: 'Correct what the message names: tls.crt and tls.key as in a Secret of type kubernetes.io/tls.',
    },
    Invalid: {
      status: 'False',
      means: 'This version of the operator cannot read the resource.',
      todo: 'Correct the field that is named, or update CRDs and operator together.',
    },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, ReasonNote>>>>;
