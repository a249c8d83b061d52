/** `homing ca`: makes a home's own CA, and the certificates of its servers and cameras. */
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { Command, InvalidArgumentError } from 'commander';
import { ConfigError } from '../crds/config-error.ts';
import { readOwnLeaf } from '../protocol/certificates.ts';
import {
  encodeIdentifier,
  isClientId,
  isClientName,
  isServerId,
  isServerName,
} from '../protocol/identifiers.ts';
import {
  type KeyedCertificate,
  createAuthority,
  defaultAuthorityDays,
  defaultLeafDays,
  issueClient,
  issueServer,
} from '../protocol/issuing.ts';
import { parsePem } from '../protocol/pem.ts';
import { quote } from '../protocol/result.ts';
import type { Leaf } from '../protocol/trust.ts';
import { parseAnchors } from '../protocol/anchors.ts';
import {
  type EarlierLeaf,
  authorityFiles,
  leafFiles,
  readAuthority,
  readEarlierLeaf,
  writeAuthority,
  writeLeaf,
} from './ca-files.ts';
import { CommandError, printJson, printLine, printNote } from './output.ts';

interface InitOptions {
  readonly out: string;
  readonly days?: number;
  readonly json?: boolean;
}

interface IssueOptions extends InitOptions {
  readonly ca: string;
  readonly server?: string;
  readonly client?: string;
  readonly ip?: readonly string[];
}

/** The subcommand, for cli/main.ts. */
export const caCommand = new Command('ca')
  .description('Makes a CA of the home’s own, and the certificates of its servers and cameras.')
  .addHelpText(
    'after',
    `
Whoever has ca.key can speak for every server and camera: keep it off them.

Examples:
  homing ca init --out ca
  homing ca issue --ca ca --server pi --out certs
  homing ca issue --ca ca --client front-door --out certs`,
  )
  .addCommand(initCommand())
  .addCommand(issueCommand());

function initCommand(): Command {
  return new Command('init')
    .description(
      'Makes DIR/ca.crt, which everybody may have, and DIR/ca.key, which nobody may. Never overwrites.',
    )
    .requiredOption('--out <dir>', 'where to')
    .option('--days <n>', `how long it is good (default: ${defaultAuthorityDays})`, parseDays)
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', '\nExample:\n  homing ca init --out ca')
    .action(init);
}

function issueCommand(): Command {
  return new Command('issue')
    .description(
      'Makes DIR/NAME.crt and DIR/NAME.key and prints the identifier; keeps a key and identifier that are there.',
    )
    .requiredOption('--ca <dir>', 'what `ca init` made')
    .option('--server <name>', 'for a home server: one DNS label')
    .option('--client <[ns/]name>', 'for a camera, sensor or PC; namespace default where none is said')
    .option(
      '--ip <address>',
      'an IP address of the server, for TLS clients that ask for it (repeatable)',
      collectIp,
    )
    .option('--days <n>', `how long it is good (default: ${defaultLeafDays})`, parseDays)
    .requiredOption('--out <dir>', 'where to')
    .option('--json', 'print the result as one JSON object')
    .addHelpText(
      'after',
      `
Issue again, with the same options, to renew a certificate.

Examples:
  homing ca issue --ca ca --server pi --ip 192.168.1.9 --out certs
  homing ca issue --ca ca --client garden/gate --days 90 --out certs      writes certs/gate.crt`,
    )
    .action(issue);
}

async function init({ out, days, json }: InitOptions): Promise<void> {
  const authority = await createAuthority({ nowMs: Date.now(), ...(days === undefined ? {} : { days }) });
  await orCommandError(writeAuthority(out, authority));
  const [certificate, key] = authorityFiles(out);
  const anchors = parseAnchors(authority.certificatePem);
  const [anchor] = anchors.ok ? anchors.value : [];
  const notAfter = new Date(anchor?.notAfterMs ?? 0).toISOString();
  if (json === true) {
    printJson({ certificate, key, subject: anchor?.subject, sha256: anchor?.sha256, notAfter });
    return;
  }
  printLine(`${certificate}: ${anchor?.subject}, good until ${notAfter.slice(0, 10)}`);
  printNote(`${key} signs for this home: keep it off the servers and cameras`);
}

/** What is issued, and under which file name. */
interface Subject {
  readonly role: 'server' | 'client';
  readonly name: string;
  readonly fileName: string;
}

async function issue(options: IssueOptions): Promise<void> {
  const subject = readSubject(options);
  const authority = await readAuthority(options.ca);
  const earlier = await readEarlierLeaf(options.out, subject.fileName);
  checkEarlier(earlier, subject, options.out);
  const issued = await issueFor(subject, authority, { ...options, earlier });
  const isKeyKept = earlier.keyPem !== undefined;
  await orCommandError(writeLeaf(options.out, subject.fileName, { ...issued, isKeyKept }));
  const leaf = leafOf(issued);
  const [certificate, key] = leafFiles(options.out, subject.fileName);
  const notAfter = new Date(leaf.notAfterMs).toISOString();
  if (options.json === true) {
    const { id, role, name, spkiSha256 } = leaf;
    printJson({ id, role, name, certificate, key, publicKey: `sha256:${spkiSha256}`, isKeyKept, notAfter });
    return;
  }
  printLine(leaf.id);
  printNote(`${certificate} for ${leaf.role} ${leaf.name}, good until ${notAfter.slice(0, 10)}`);
  if (isKeyKept) printNote(`${key} was there and is kept`);
}

function readSubject({ server, client, ip }: IssueOptions): Subject {
  if ((server === undefined) === (client === undefined)) {
    throw new CommandError('issuing: say either --server NAME or --client [NS/]NAME');
  }
  if (server !== undefined) {
    if (isServerName(server)) return { role: 'server', name: server, fileName: server };
    throw new CommandError(
      `issuing: the server name ${quote(server)} is no DNS label (a-z, 0-9, -; at most 63)`,
    );
  }
  const name = client?.includes('/') === true ? client : `default/${client}`;
  if (!isClientName(name)) {
    throw new CommandError(`issuing: the client name ${quote(name)} is not two DNS labels, NAMESPACE/NAME`);
  }
  if (ip !== undefined) throw new CommandError('issuing: --ip is for servers, nobody calls a client');
  return { role: 'client', name, fileName: name.slice(name.indexOf('/') + 1) };
}

function checkEarlier({ leaf, keyPem }: EarlierLeaf, { role, name, fileName }: Subject, out: string): void {
  const [file, keyFile] = leafFiles(out, fileName);
  if (leaf !== undefined && (leaf.role !== role || leaf.name !== name)) {
    throw new ConfigError({ file, message: `is of the ${leaf.role} ${leaf.name}: choose another --out` });
  }
  if (leaf !== undefined && keyPem === undefined) {
    throw new ConfigError({
      file: keyFile,
      message: `is not there, but ${file} is: put the key back, or remove the certificate for a new identifier`,
    });
  }
}

async function issueFor(
  { role, name }: Subject,
  authority: KeyedCertificate,
  { earlier, days, ip }: IssueOptions & { readonly earlier: EarlierLeaf },
): Promise<KeyedCertificate> {
  const request = {
    name,
    nowMs: Date.now(),
    ...(days === undefined ? {} : { days }),
    ...(earlier.keyPem === undefined ? {} : { keyPem: earlier.keyPem }),
    ...(ip === undefined ? {} : { ips: ip }),
  };
  const known = earlier.leaf?.id ?? '';
  const fresh = encodeIdentifier(randomBytes(16));
  return role === 'server'
    ? issueServer(authority, { ...request, id: isServerId(known) ? known : `hcsp:${fresh}` })
    : issueClient(authority, { ...request, id: isClientId(known) ? known : `ab:${fresh}` });
}

function leafOf({ certificatePem }: KeyedCertificate): Leaf {
  const blocks = parsePem(certificatePem);
  const [block] = blocks.ok ? blocks.value : [];
  const leaf = readOwnLeaf(block?.der ?? new Uint8Array());
  if (!leaf.ok) throw new Error(`issuing: ${leaf.detail}`);
  return leaf.value;
}

function parseDays(text: string): number {
  const days = Number(text);
  if (!/^\d+$/.test(text) || days < 1 || days > 36_500)
    throw new InvalidArgumentError('days are 1 to 36500.');
  return days;
}

function collectIp(text: string, earlier: readonly string[] = []): readonly string[] {
  if (isIP(text) === 0) throw new InvalidArgumentError('that is no IP address.');
  return [...earlier, text];
}

/** A folder that cannot be written to is wrong usage, not a bug. */
async function orCommandError(writing: Promise<void>): Promise<void> {
  try {
    await writing;
  } catch (error) {
    if (error instanceof ConfigError || !(error instanceof Error && 'code' in error)) throw error;
    throw new CommandError(`writing: ${error.message}`, undefined, { cause: error });
  }
}
