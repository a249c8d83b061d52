/** What a client remembers over a restart. */
import type { ServerReference } from '../../protocol/documents.ts';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../protocol/endpoints.ts';
import { isServerId } from '../../protocol/identifiers.ts';

export interface SavedClient {
  /** The last term that was used; 0 for none. */
  readonly term: number;
  /** Servers that it knew, best first. */
  readonly servers: readonly ServerReference[];
}

const maxSavedServers = 16;

/** JSON for the state file. */
export function encodeSavedClient({ term, servers }: SavedClient): unknown {
  return {
    term,
    servers: servers.map(({ id, address, also = [] }) => {
      const further = also.length > 0 ? { also: also.map(formatEndpoint) } : {};
      return { id, address: formatEndpoint(address), ...further };
    }),
  };
}

/** What `encodeSavedClient` made, as far as it is whole: a damaged state file costs what is damaged and no more. */
export function parseSavedClient(saved: unknown): SavedClient {
  const term = propertyOf(saved, 'term');
  const servers = propertyOf(saved, 'servers');
  return {
    term: typeof term === 'number' && Number.isSafeInteger(term) && term > 0 ? term : 0,
    servers: Array.isArray(servers) ? servers.flatMap(parseServer).slice(0, maxSavedServers) : [],
  };
}

function parseServer(saved: unknown): ServerReference[] {
  const id = propertyOf(saved, 'id');
  const address = parseAddress(propertyOf(saved, 'address'));
  if (typeof id !== 'string' || !isServerId(id) || address === undefined) return [];
  const further = propertyOf(saved, 'also');
  const also = Array.isArray(further) ? further.flatMap((text) => parseAddress(text) ?? []) : [];
  return [also.length > 0 ? { id, address, also } : { id, address }];
}

function parseAddress(text: unknown): Endpoint | undefined {
  const parsed = typeof text === 'string' ? parseEndpoint(text) : undefined;
  return parsed?.ok === true ? parsed.value : undefined;
}

function propertyOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}
