/** `--operator` and what goes with it: where the operator is, and whom we believe to be it. */
import { type Command, InvalidArgumentError } from 'commander';
import { parsePin } from '../agent/control/operator-pin.ts';
import type { OperatorAddress } from '../agent/control/operator-places.ts';
import type { OperatorCa } from '../agent/control/operator-stream.ts';
import { type Endpoint, parseEndpoint } from '../protocol/endpoints.ts';
import { CommandError } from './output.ts';

export interface OperatorFlags {
  readonly operator?: OperatorAddress;
  readonly ca?: string;
}

/** Adds `--operator` and `--ca` to a command. */
export function addOperatorOptions(command: Command): Command {
  return command
    .option(
      '--operator <host:port>',
      'instead of files and certificates: the operator of a cluster',
      parsePlace,
    )
    .option(
      '--ca <file|sha256:hash>',
      "with --operator: the CA that its operator's certificate is signed by, or the SHA-256 of its public key",
    );
}

/** Where the operator is and whom we believe; the environment is what Kubernetes sets for a Service. */
export function operatorOf(
  { operator, ca }: OperatorFlags,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly operator: OperatorAddress; readonly ca: OperatorCa } {
  if (operator === undefined || ca === undefined) {
    throw new CommandError('--operator needs --ca FILE or --ca sha256:HASH: nobody is trusted on first use');
  }
  const service = serviceOf(environment);
  return {
    operator: { ...operator, ...(service === undefined ? {} : { service }) },
    ca: readCa(ca),
  };
}

function readCa(text: string): OperatorCa {
  const pin = parsePin(text);
  if (pin !== undefined) return { pin };
  if (text.startsWith('sha256:')) {
    throw new CommandError(`--ca ${JSON.stringify(text)}: after sha256: there must be 64 hexadecimal digits`);
  }
  return { file: text };
}

function serviceOf(environment: Readonly<Record<string, string | undefined>>): Endpoint | undefined {
  const { HOMING_OPERATOR_SERVICE_HOST: host = '', HOMING_OPERATOR_SERVICE_PORT: port = '' } = environment;
  const parsed = parseEndpoint(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);
  return parsed.ok ? parsed.value : undefined;
}

function parsePlace(text: string): OperatorAddress {
  const match = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port < 1 || port > 65_535) throw new InvalidArgumentError('must be HOST:PORT');
  return { host: (match[1] ?? '').replaceAll(/[[\]]/g, ''), port };
}
