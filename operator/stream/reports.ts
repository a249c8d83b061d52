/** What of a report counts: an agent speaks for its own server and for the cameras that are assigned to it, and for nobody else. Pure. */
import type { Report } from '../../crds/operator-messages.ts';
import type { Leaf } from '../../protocol/trust.ts';

/** A report without what is not the agent's to say, and how much that was. */
export interface JudgedReport {
  readonly report: Report;
  readonly foreign: number;
}

/** @param isAssigned whether that camera (`namespace/name`) is one of who sent this */
export function judgeReport(
  { role, id, name }: Pick<Leaf, 'role' | 'id' | 'name'>,
  report: Report,
  isAssigned: (camera: string) => boolean,
): JudgedReport {
  const { server, ...rest } = report;
  const isOwn = role === 'server' && server?.identifier === id;
  const cameras = report.cameras.filter((camera) =>
    role === 'client' ? camera.name === name : isAssigned(camera.name),
  );
  const foreign = report.cameras.length - cameras.length + (server === undefined || isOwn ? 0 : 1);
  return { report: { ...rest, cameras, ...(isOwn ? { server } : {}) }, foreign };
}
