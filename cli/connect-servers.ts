/** What `homing connect --server` means. */
import { lookup } from 'node:dns/promises';
import { type Endpoint, parseEndpoint } from '../protocol/endpoints.ts';
import { CommandError } from './output.ts';

/**
 * All addresses of the servers, in the order given; names are looked up once.
 *
 * @param servers HOST:PORT, where an IPv6 address stands in brackets
 * @throws CommandError with the offender and what would be right
 */
export async function resolveServers(servers: readonly string[]): Promise<readonly Endpoint[]> {
  const resolved = await Promise.all(servers.map(resolveServer));
  return resolved.flat();
}

async function resolveServer(text: string): Promise<readonly Endpoint[]> {
  const endpoint = parseEndpoint(text);
  if (endpoint.ok) return [endpoint.value];
  const [, host = '', digits = ''] = /^([A-Za-z0-9.-]{1,253}):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host === '' || port < 1 || port > 65_535) {
    throw new CommandError(`--server ${JSON.stringify(text)}: must be HOST:PORT, like 192.168.1.9:17320`);
  }
  try {
    const addresses = await lookup(host, { all: true });
    return addresses.map(({ address }) => ({ ip: address, port }));
  } catch (error) {
    throw new CommandError(`--server ${text}: there is no address for ${host}`, undefined, { cause: error });
  }
}
