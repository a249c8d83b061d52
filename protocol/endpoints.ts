/** Where a server is reached: an IP address and a TCP port. */
import ipaddr from 'ipaddr.js';
import { bad, good, quote, type Result } from './result.ts';

/** A numeric address and a port; names are never resolved, as nothing unsigned may say where a camera goes. */
export interface Endpoint {
  /** Canonical text of an IPv4 or IPv6 address, no zone, no brackets. */
  readonly ip: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** Why a text is no endpoint. */
export type EndpointProblem = 'endpoint';

const maxEndpointCharacters = 64;
const endpointPattern = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([1-9][0-9]{0,4})$/;

/**
 * Reads `192.168.1.9:17320` or `[fd00::9]:17320`. IPv4 in four decimal parts only (no octal, no short forms), no zones;
 * an IPv4-mapped IPv6 address becomes the IPv4 address that it stands for.
 */
export function parseEndpoint(text: string): Result<Endpoint, EndpointProblem> {
  const match = text.length > maxEndpointCharacters ? null : endpointPattern.exec(text);
  if (match === null) return noEndpoint(text, 'is not ADDRESS:PORT');
  const [, ipv6, ipv4, portText] = match;
  const port = Number(portText);
  if (port > 65_535) return noEndpoint(text, 'has a port above 65535');
  const ip = ipv6 === undefined ? canonicalIpv4(ipv4 ?? '') : canonicalIpv6(ipv6);
  return ip === undefined ? noEndpoint(text, 'has no IP address') : good({ ip, port });
}

/** The text that `parseEndpoint` reads: IPv6 in brackets. */
export function formatEndpoint({ ip, port }: Endpoint): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Whether two endpoints are the same place; both are canonical. */
export function isSameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.ip === b.ip && a.port === b.port;
}

/** Four decimal parts without leading zeros have one form only. */
function canonicalIpv4(text: string): string | undefined {
  return ipaddr.IPv4.isValidFourPartDecimal(text) ? text : undefined;
}

function canonicalIpv6(text: string): string | undefined {
  const parsed = parseIpv6(text);
  if (parsed === undefined) return undefined;
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.toRFC5952String();
}

function parseIpv6(text: string): ipaddr.IPv6 | undefined {
  try {
    return ipaddr.IPv6.parse(text);
  } catch {
    // It throws where it is none; to ask first would be to parse twice.
    return undefined;
  }
}

function noEndpoint(text: string, why: string) {
  return bad<EndpointProblem>('endpoint', `parsing endpoint: ${quote(text)} ${why}`);
}
