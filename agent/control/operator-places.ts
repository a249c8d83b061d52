/** Where the operator may be: what Kubernetes said in the environment, then DNS, then where it was last. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../protocol/endpoints.ts';

export interface OperatorAddress {
  /** A name or an address. */
  readonly host: string;
  readonly port: number;
  /** The Service's address as the environment says; good without DNS. */
  readonly service?: Endpoint;
}

const lookupMs = 5000;

/** All of them in the order in which to call, each once. @param last as `formatEndpoint` wrote it */
export async function listPlaces(
  { host, port, service }: OperatorAddress,
  last: string | undefined,
): Promise<readonly Endpoint[]> {
  const known = last === undefined ? undefined : parseEndpoint(last.trim());
  const found = [
    ...(service === undefined ? [] : [service]),
    ...(await resolve(host, port)),
    ...(known?.ok === true ? [known.value] : []),
  ];
  return [...new Map(found.map((endpoint) => [formatEndpoint(endpoint), endpoint])).values()];
}

/** No address at all is no error: the last known may do. A resolver that hangs holds up nobody for long. */
async function resolve(host: string, port: number): Promise<readonly Endpoint[]> {
  if (isIP(host) !== 0) return [{ ip: host, port }];
  const looked = lookup(host, { all: true }).catch(() => []);
  const { promise, resolve: giveUp } = Promise.withResolvers<[]>();
  const timer = setTimeout(() => giveUp([]), lookupMs);
  try {
    const addresses = await Promise.race([looked, promise]);
    return addresses.map(({ address }) => ({ ip: address, port }));
  } finally {
    clearTimeout(timer);
  }
}
