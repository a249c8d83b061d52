/** An address to listen on, as an option says it. */
import { InvalidArgumentError } from 'commander';

export interface ListenAddress {
  /** Absent: every address. */
  readonly host?: string;
  readonly port: number;
}

/** Parses `:PORT`, `HOST:PORT` or `[IPV6]:PORT`; throws commander's error. */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]*):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535)
    throw new InvalidArgumentError('must be :PORT, HOST:PORT or [IPV6]:PORT');
  const host = (match[1] ?? '').replaceAll(/[[\]]/g, '');
  return host === '' ? { port } : { host, port };
}
