/** The object identifiers that certificates and announcements use, as `oidOf` gives them. */
import { oidHex } from './der.ts';

export const oids = {
  // RFC 5652
  data: oidHex('1.2.840.113549.1.7.1'),
  signedData: oidHex('1.2.840.113549.1.7.2'),
  contentType: oidHex('1.2.840.113549.1.9.3'),
  messageDigest: oidHex('1.2.840.113549.1.9.4'),
  signingTime: oidHex('1.2.840.113549.1.9.5'),
  // RFC 5754
  sha256: oidHex('2.16.840.1.101.3.4.2.1'),
  rsaEncryption: oidHex('1.2.840.113549.1.1.1'),
  sha256WithRsa: oidHex('1.2.840.113549.1.1.11'),
  sha384WithRsa: oidHex('1.2.840.113549.1.1.12'),
  sha512WithRsa: oidHex('1.2.840.113549.1.1.13'),
  ecdsaWithSha256: oidHex('1.2.840.10045.4.3.2'),
  ecdsaWithSha384: oidHex('1.2.840.10045.4.3.3'),
  ecdsaWithSha512: oidHex('1.2.840.10045.4.3.4'),
  // RFC 5280
  commonName: oidHex('2.5.4.3'),
  subjectKeyIdentifier: oidHex('2.5.29.14'),
  keyUsage: oidHex('2.5.29.15'),
  subjectAltName: oidHex('2.5.29.17'),
  basicConstraints: oidHex('2.5.29.19'),
  nameConstraints: oidHex('2.5.29.30'),
  authorityKeyIdentifier: oidHex('2.5.29.35'),
  extendedKeyUsage: oidHex('2.5.29.37'),
  serverAuth: oidHex('1.3.6.1.5.5.7.3.1'),
  clientAuth: oidHex('1.3.6.1.5.5.7.3.2'),
} as const;
