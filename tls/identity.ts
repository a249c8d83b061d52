/** Who we are: a certificate and its key, out of files or texts. */
import { type KeyObject, createPrivateKey } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { ConfigError } from '../crds/config-error.ts';
import { hashBytes } from '../protocol/certificate-parsing.ts';
import { spkiOf } from '../protocol/certificate-signature.ts';
import { readOwnLeaf } from '../protocol/certificates.ts';
import { encodePem, parsePem } from '../protocol/pem.ts';
import type { Leaf } from '../protocol/trust.ts';

/** Our certificate and key, and what the certificate says. */
export interface Identity {
  readonly leaf: Leaf;
  readonly certificatePem: string;
  readonly certificateDer: Uint8Array;
  readonly keyPem: string;
  readonly privateKey: KeyObject;
}

/**
 * Reads a certificate and its key.
 *
 * @throws ConfigError with the file and what would be right
 */
export async function loadIdentity(certPath: string, keyPath: string): Promise<Identity> {
  // One after the other, so that of two missing files always the same one is named.
  const certificatePem = await readText(certPath);
  const keyPem = await readText(keyPath);
  const { mode } = await stat(keyPath);
  if ((mode & 0o007) !== 0) {
    throw new ConfigError({ file: keyPath, message: `others can read this key: chmod 600 ${keyPath}` });
  }
  return parseIdentity({ certificatePem, keyPem, certPath, keyPath });
}

interface IdentityTexts {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** For messages. */
  readonly certPath?: string;
  readonly keyPath?: string;
}

/**
 * The same, from texts.
 *
 * @throws ConfigError where they are not one certificate of a server, client or operator and the key that belongs to it
 */
export function parseIdentity(texts: IdentityTexts): Identity {
  const { certPath: file = 'certificate', keyPath = 'key' } = texts;
  const certificateDer = readSingleCertificate(texts.certificatePem, file);
  const leaf = readOwnLeaf(certificateDer);
  if (!leaf.ok) throw new ConfigError({ file, message: `${leaf.detail} (${leaf.reason})` });
  const privateKey = parseKey(texts.keyPem, keyPath);
  if (hashBytes(spkiOf(privateKey)) !== leaf.value.spkiSha256) {
    throw new ConfigError({ file: keyPath, message: `is not the key of the certificate in ${file}` });
  }
  const certificatePem = encodePem('CERTIFICATE', certificateDer);
  return { leaf: leaf.value, certificatePem, certificateDer, keyPem: texts.keyPem, privateKey };
}

function readSingleCertificate(pem: string, file: string): Uint8Array {
  const blocks = parsePem(pem);
  if (!blocks.ok) throw new ConfigError({ file, message: blocks.detail });
  const [block, ...others] = blocks.value;
  if (block?.label === 'CERTIFICATE' && others.length === 0) return block.der;
  throw new ConfigError({ file, message: 'must hold exactly one certificate in PEM, and nothing else' });
}

function parseKey(keyPem: string, file: string): KeyObject {
  try {
    return createPrivateKey(keyPem);
  } catch (error) {
    throw new ConfigError(
      { file, message: 'must hold a private key in PEM, not encrypted' },
      { cause: error },
    );
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigError({ file, message: `cannot be read: ${why}` }, { cause: error });
  }
}
