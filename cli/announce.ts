/** `homing announce`: signs an announcement by hand, for trying things out. */
import { writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { containerInterfaces } from '../agent/server/interfaces.ts';
import { type Multicast, openMulticast } from '../agent/server/multicast.ts';
import { type Identity, loadIdentity } from '../tls/identity.ts';
import { maxDatagramBytes, signAnnouncement } from '../protocol/announcements.ts';
import { type Subscribe, encodeDocument, parseDocument } from '../protocol/documents.ts';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../protocol/endpoints.ts';
import { everyClient, isServerId } from '../protocol/identifiers.ts';
import { CommandError, exitCodes, printJson, printLine } from './output.ts';

interface AnnounceOptions {
  readonly cert: string;
  readonly key: string;
  readonly features: readonly string[];
  readonly connected: number;
  readonly max: number;
  readonly address: Endpoint;
  readonly out?: string;
  readonly interface?: string;
  readonly count: number;
  readonly json?: boolean;
}

/** A server's first three, without their growing pauses. */
const everyMs = 250;

/** The subcommand, for cli/main.ts. */
export const announceCommand = new Command('announce')
  .description('Signs an announcement and writes it to a file, or sends it by multicast.')
  .requiredOption('--cert <file>', 'the certificate of a server')
  .requiredOption('--key <file>', 'its key')
  .requiredOption('--features <a,b>', 'what it can do', parseFeatures)
  .requiredOption('--connected <n>', 'how many clients it has', parseCount)
  .requiredOption('--max <n>', 'how many clients it takes; 0 is draining', parseCount)
  .requiredOption('--address <ip:port>', 'where it is reached', parseAddress)
  .option('--out <file>', 'write it there instead of sending it')
  .option(
    '--interface <name>',
    'send it on this interface (lo is the machine itself); else on all local ones',
  )
  .option('--count <n>', 'how often to send', parsePositive, 1)
  .option('--json', 'print what was made as one JSON object')
  .addHelpText(
    'after',
    `
Nobody moves to a server that is only announced: it must answer at its address with the same certificate.

Examples:
  homing announce --cert pi.crt --key pi.key --features hcsp,record --connected 0 --max 5 \\
    --address 192.168.1.9:17320 --out m1.der
  homing announce --cert pi.crt --key pi.key --features record --connected 0 --max 5 \\
    --address 127.0.0.1:17320 --interface lo --count 3`,
  )
  .action(announce);

async function announce(options: AnnounceOptions): Promise<void> {
  if (options.out !== undefined && options.interface !== undefined) {
    throw new CommandError('announcing: say --out FILE or --interface NAME, not both');
  }
  const identity = await loadIdentity(options.cert, options.key);
  const boot = Date.now();
  const make = (seq: number) => sign(identity, options, { boot, seq });
  if (options.out === undefined) await send(make, options);
  else await write(options.out, make(1), options);
}

function sign(
  identity: Identity,
  options: AnnounceOptions,
  order: { readonly boot: number; readonly seq: number },
) {
  const { id, role } = identity.leaf;
  if (!isServerId(id))
    throw new CommandError(`announcing: ${options.cert} is the certificate of a ${role}, not of a server`);
  const { features, connected, max, address } = options;
  const subscribe: Subscribe = {
    kind: 'subscribe',
    to: everyClient,
    from: { id, address },
    features,
    connected,
    max,
    order,
    also: [],
  };
  const readBack = parseDocument(encodeDocument(subscribe));
  if (!readBack.ok) throw new CommandError(`announcing: ${readBack.detail}`);
  return signAnnouncement(subscribe, identity, order.boot);
}

async function write(file: string, message: Uint8Array, { json }: AnnounceOptions): Promise<void> {
  try {
    await writeFile(file, message);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(`writing ${file}: ${why}`, exitCodes.usage, { cause: error });
  }
  const fitsDatagram = message.length <= maxDatagramBytes.ipv6;
  if (json === true) printJson({ file, bytes: message.length, fitsDatagram });
  else
    printLine(
      `${file}: ${message.length} bytes${fitsDatagram ? '' : ', too large for multicast: links only'}`,
    );
}

async function send(make: (seq: number) => Uint8Array, options: AnnounceOptions): Promise<void> {
  const multicast = await openMulticast({
    interfaces: options.interface === undefined ? [] : [options.interface],
    excludeInterfaces: options.interface === undefined ? containerInterfaces : [],
    onDatagram: () => {},
  });
  try {
    await sendAll(multicast, make, options);
  } finally {
    await multicast.close();
  }
}

async function sendAll(multicast: Multicast, make: (seq: number) => Uint8Array, options: AnnounceOptions) {
  const interfaces = multicast.interfaces().map(({ name }) => name);
  if (interfaces.length === 0) {
    const which = options.interface === undefined ? 'no local network' : `no interface ${options.interface}`;
    throw new CommandError(`announcing: there is ${which} with an address to announce on`);
  }
  for (let seq = 1; seq <= options.count; seq += 1) {
    const message = make(seq);
    if (message.length > maxDatagramBytes.ipv4) {
      throw new CommandError(
        `announcing: ${message.length} bytes are above ${maxDatagramBytes.ipv4}: links only`,
      );
    }
    multicast.send(() => message);
    report(message.length, interfaces, options);
    // The last one too: closing at once could drop what was not handed to the kernel yet.
    await pause(everyMs);
  }
}

function report(bytes: number, interfaces: readonly string[], { address, json }: AnnounceOptions): void {
  if (json === true) printJson({ event: 'announced', address: formatEndpoint(address), interfaces, bytes });
  else printLine(`announced ${formatEndpoint(address)} on ${interfaces.join(', ')}: ${bytes} bytes`);
}

function parseFeatures(text: string): readonly string[] {
  return text === '' ? [] : text.split(',');
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) > 100_000)
    throw new InvalidArgumentError('counts are 0 to 100000.');
  return Number(text);
}

function parsePositive(text: string): number {
  const count = parseCount(text);
  if (count === 0) throw new InvalidArgumentError('at least once.');
  return count;
}

function parseAddress(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (!endpoint.ok) throw new InvalidArgumentError(`${endpoint.detail}.`);
  return endpoint.value;
}
