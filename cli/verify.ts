/** `homing verify`: what a server would make of an announcement in a file. */
import { open } from 'node:fs/promises';
import { Command } from 'commander';
import { watchTrust } from '../agent/trust-directory.ts';
import {
  type AnnouncementDropReason,
  type VerifiedAnnouncement,
  maxAnnouncementBytes,
  maxDatagramBytes,
  verifyAnnouncement,
} from '../protocol/announcements.ts';
import { formatEndpoint } from '../protocol/endpoints.ts';
import type { Bad } from '../protocol/result.ts';
import type { TrustSet } from '../protocol/trust.ts';
import { CommandError, exitCodes, paint, printJson, printLine } from './output.ts';

/** The subcommand, for cli/main.ts. */
export const verifyCommand = new Command('verify')
  .description(
    'Verifies an announcement in a file as a server would: shape, certificate, signature, document.',
  )
  .argument('<file>', 'the message, DER; for instance what `announce --out` or openssl cms wrote')
  .requiredOption('--trust <path>', 'ca.crt, or a folder with ca.crt and deny.txt')
  .option('--json', 'print the verdict as one JSON object')
  .addHelpText(
    'after',
    `
Exits 0 when it is valid, 1 when it would be dropped, with the reason, 2 for wrong usage. Whether it is newer than the last
one, and whether anybody is at its address, a server looks at besides.

Examples:
  homing verify m1.der --trust ca/ca.crt
  openssl cms -sign -binary -nodetach -nosmimecap -outform DER -signer pi.crt -inkey pi.key -in m1.xml -out m1.der
  homing verify m1.der --trust ca/ca.crt --json`,
  )
  .action(async (file: string, { trust, json }: { readonly trust: string; readonly json?: boolean }) => {
    const message = await readMessage(file);
    const verdict = verifyAnnouncement(message, await readTrust(trust), Date.now());
    const show = json === true ? showJson : showLines;
    show(verdict, message.length);
    if (!verdict.ok) process.exitCode = exitCodes.negative;
  });

type Verdict = ReturnType<typeof verifyAnnouncement>;

/** One byte more than is ever taken is enough to say so. */
async function readMessage(file: string): Promise<Uint8Array> {
  try {
    await using handle = await open(file);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxAnnouncementBytes + 1), 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(`reading ${file}: ${why}`, exitCodes.usage, { cause: error });
  }
}

async function readTrust(place: string): Promise<TrustSet> {
  const trust = await watchTrust(place, [], () => {});
  await trust.close();
  return trust.current;
}

function showJson(verdict: Verdict, bytes: number): void {
  if (!verdict.ok) {
    printJson({ valid: false, reason: verdict.reason, detail: verdict.detail, bytes });
    return;
  }
  const { subscribe, leaf, signedAtMs } = verdict.value;
  const { from, features, connected, max, order, also } = subscribe;
  printJson({
    valid: true,
    server: leaf.name,
    id: leaf.id,
    address: formatEndpoint(from.address),
    also: also.map(formatEndpoint),
    features,
    connected,
    max,
    ...order,
    signedAt: new Date(signedAtMs).toISOString(),
    certificateNotAfter: new Date(leaf.notAfterMs).toISOString(),
    publicKey: `sha256:${leaf.spkiSha256}`,
    bytes,
    fitsDatagram: bytes <= maxDatagramBytes.ipv6,
  });
}

function showLines(verdict: Verdict, bytes: number): void {
  if (!verdict.ok) showDropped(verdict);
  else showValid(verdict.value, bytes);
}

function showDropped({ reason, detail }: Bad<AnnouncementDropReason>): void {
  printLine(`${paint('red', 'dropped')}: ${reason}`);
  printLine(`  ${detail}`);
}

function showValid({ subscribe, leaf, signedAtMs }: VerifiedAnnouncement, bytes: number): void {
  const { from, features, connected, max } = subscribe;
  printLine(
    `${paint('green', 'valid')}: server ${leaf.name} (${leaf.id}) at ${formatEndpoint(from.address)}`,
  );
  printLine(`  features ${features.join(', ') || 'none'}; ${connected} of ${max} clients connected`);
  printLine(
    `  signed ${new Date(signedAtMs).toISOString()}; certificate until ${new Date(leaf.notAfterMs).toISOString()}`,
  );
  if (bytes > maxDatagramBytes.ipv6) {
    printLine(
      paint(
        'yellow',
        `  ${bytes} bytes are above ${maxDatagramBytes.ipv6}: said on links only, never by multicast`,
      ),
    );
  }
}
